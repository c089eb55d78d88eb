///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//DEPS net.datafaker:datafaker:2.7.0
//RUNTIME_OPTIONS -Dpicocli.ansi=false -XX:+NeverActAsServerClassMachine -XX:CompileThresholdScaling=3 -Xlog:disable
//CDS

import com.mongodb.*;
import com.mongodb.client.*;
import io.github.cdimascio.dotenv.Dotenv;
import java.io.*;
import java.nio.file.*;
import java.time.LocalDate;
import java.util.*;
import java.util.concurrent.*;
import org.bson.*;
import picocli.CommandLine;
import picocli.CommandLine.*;
import java.util.stream.Stream;
import net.datafaker.Faker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.*;

/**
 * Inserts made-up bank customers, one every half second, for the insert stream of the listener to notice.
 *
 * <p>Shows <a href="https://www.mongodb.com/docs/drivers/java/sync/current/crud/insert/">insertMany</a>.
 */
@Command(name = "insert", mixinStandardHelpOptions = true, version = "insert 1.0", sortOptions = false, description =
        "Inserts made-up bank customers, each with a savings and a checking account, one after the other.%n"
                + "Example: jbang insert --records 20 --delay 0.1%n"
                + "         jbang insert --records 100000 --delay 0", showDefaultValues = true)
class insert implements Callable<Integer> {

    @Option(names = "--records", paramLabel = "NUM_RECORDS_TO_GENERATE", description = "How many customers.")
    int records = 100;
    @Option(names = "--delay", description = "Seconds between two; 0: a thousand at once.") double delay = 0.5;
    @Option(names = "--seed", description = "Same number, same customers, but for birth dates.") Long seed;

    public static void main(String... args) {
        new insert().run(args);
    }

    @Override
    public Integer call() throws Exception {
        long start = System.currentTimeMillis();
        int inserted = 0;
        MongoClient client = connect();
        MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection);
        System.out.println(RULE + "\nInsert Bank Account Data\n" + RULE);

        Random random = seed == null ? new Random() : new Random(seed);
        Faker faker = new Faker(Locale.ENGLISH, random);
        try (client) {
            while (inserted < records) {
                int size = delay > 0 ? 1 : Math.min(1000, records - inserted);
                List<Document> batch = Stream.generate(() -> customer(faker, random)).limit(size).toList();
                inserted += customers.insertMany(batch).getInsertedIds().size();
                Document last = batch.get(size - 1);
                Document checking = last.getList("accounts", Document.class).get(1);
                System.out.println("Inserted record: " + inserted + " of " + records + ": " + last.get("email")
                        + ", checking " + checking.get("balance"));
                if (!pause(delay)) break;
            }
        } catch (MongoBulkWriteException e) {  // those before the one that failed are in the collection
            inserted += e.getWriteResult().getInsertedCount();
            throw e;
        } finally {  // also after an error
            double seconds = (System.currentTimeMillis() - start) / 1000.0;
            System.out.println(RULE + "\nCustomers inserted: " + inserted
                    + "\nTotal Time Elapsed (in seconds): " + seconds + "\n" + RULE);
        }
        return 0;
    }

    static Document customer(Faker faker, Random random) {
        String first = faker.name().firstName(), last = faker.name().lastName();
        String email = (first + "." + last).toLowerCase(Locale.ROOT).replaceAll("[^a-z.]", "") + "@example.org";
        String mobile = faker.numerify("(###) ###-####"), home = faker.numerify("(###) ###-####");
        LocalDate birth = LocalDate.now().minusYears(17).minusDays(random.nextInt(73 * 365));
        return new Document("firstName", first)
                .append("lastName", last)
                .append("phoneNumbers", List.of(
                        new Document("type", "mobile").append("number", mobile),
                        new Document("type", "home").append("number", home)))
                .append("mobileNumber", mobile)
                .append("email", email)
                .append("birthDate", String.format(Locale.ROOT, "%tm-%<td-%<tY", birth))
                .append("address", new Document("street", faker.address().streetAddress())
                        .append("city", faker.address().city())
                        .append("state", faker.address().state())
                        .append("zip", faker.address().zipCode()))
                .append("accounts", List.of(
                        new Document("type", "savings").append("accountNumber", faker.finance().creditCard())
                                .append("interestRate", random.nextInt(11, 50) / 10.0)
                                .append("balance", random.nextInt(1, 5001)),
                        new Document("type", "checking").append("accountNumber", faker.finance().creditCard())
                                .append("overdraftLimit", random.nextInt(10000))
                                .append("balance", random.nextInt(-4999, 5001))));
    }

    // ===== Plumbing, the same in every script: settings, connection, errors in one line, Ctrl-C =====

    @Option(names = "--uri", description = "Connection string; safer in .env, as MONGODB_ATLAS_URL.") String uri;
    @Option(names = "--database", paramLabel = "DATABASE", description = "In .env") String database = "bankdatabase";
    @Option(names = "--collection", paramLabel = "COLLECTION", description = "In .env") String collection = "accounts";
    Dotenv env() { return Dotenv.configure().ignoreIfMissing().ignoreIfMalformed().load(); }  // environment, else .env
    static final String RULE = "=".repeat(60);
    final CountDownLatch stop = new CountDownLatch(1);                   // it is time to end
    final CompletableFuture<Void> finished = new CompletableFuture<>();  // call() has returned

    void run(String... args) {
        System.setOut(new PrintStream(System.out, true, UTF_8));  // in any locale
        int exitCode = new CommandLine(this).setDefaultValueProvider(option -> env().get(option.paramLabel()))
                .setParameterExceptionHandler((e, all) -> fail(2, e.getMessage().replaceAll("(?s)://.*", "://***")))
                .setExecutionExceptionHandler((e, all, parsed) -> fail(e instanceof MongoException ? 1 : 2, explain(e)))
                .execute(args);
        if (System.out.checkError()) exitCode = fail(1, "not all could be printed - disk full, or the reader gone?");
        finished.complete(null);
        System.exit(exitCode);
    }

    int fail(int exitCode, String message) {
        new PrintStream(System.err, true, UTF_8).println(getClass().getName() + ": " + message.replaceAll("\\s+", " "));
        return exitCode;
    }

    MongoClient connect() throws IOException {
        List<String> lines = Files.exists(Path.of(".env")) ? Files.readAllLines(Path.of(".env")) : List.of();
        for (String line : lines)  // dotenv-java may read others in another way than python-dotenv
            if (!line.matches("\\s*|#.*|\\w+\\s*=([^\"'#{\\\\]*|\\s*\"[^\"'#{\\\\]*\"\\s*)"))
                throw new IllegalStateException(".env:" + (lines.indexOf(line) + 1) + ": write NAME=value, without "
                        + "export, single quotes, # { or \\");
        if (uri == null) uri = env().get("MONGODB_ATLAS_URL", "");
        if ((uri + database + collection).matches("(?i).*([?&]timeoutMS=|\\.sock|\uFFFD).*"))
            throw new IllegalStateException("take no timeoutMS and no Unix socket, and put non-ASCII names into .env");
        MongoClient client = MongoClients.create(MongoClientSettings.builder()
                .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, SECONDS))
                .applyToSocketSettings(socket -> socket.connectTimeout(4, SECONDS).readTimeout(10, SECONDS))
                .applyConnectionString(new ConnectionString(uri))  // overrides the lines above, not those below
                .applyToConnectionPoolSettings(pool -> pool.maxSize(100)).compressorList(List.of())
                .readConcern(ReadConcern.DEFAULT).writeConcern(WriteConcern.MAJORITY)
                .uuidRepresentation(UuidRepresentation.STANDARD).build());
        String url = uri.replaceAll("(?<!/)(/[^/?@]*)?\\?.*", "$1").replaceAll("://([\\w.-]*).*@", "://$1:***@");
        System.out.println("MongoDB Atlas DB URL: " + url + "\nDatabase: " + database + "\nCollection: " + collection);
        if (!client.getDatabase(database).runCommand(new Document("ping", 1)).containsKey("operationTime"))
            throw new IllegalStateException("change streams need a replica set: mongod --replSet, rs.initiate()");
        Runtime.getRuntime().addShutdownHook(new Thread(stop::countDown));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> finished.completeOnTimeout(null, 10, SECONDS).join()));
        return client;
    }

    boolean pause(double seconds) throws InterruptedException {  // says whether to go on: not after Ctrl-C
        return !stop.await((long) (seconds * 1000), MILLISECONDS) && !System.out.checkError();
    }

    static String explain(Throwable e) {  // what happened, and what to do about it
        if (e instanceof MongoClientException && e.getCause() instanceof MongoSocketException) e = e.getCause();
        String message = e instanceof IOException ? e.toString() : e.getMessage();
        if (e instanceof MongoCommandException command) message = command.getErrorMessage();
        if (e instanceof IllegalArgumentException)  // its message may quote the password
            return "MONGODB_ATLAS_URL, DATABASE or COLLECTION is missing or malformed (@ : / % are %40 %3A %2F %25)";
        if (e instanceof MongoSecurityException)
            return "MongoDB refused the login - check user, password (@ : / % are %40 %3A %2F %25) or certificate";
        if (e instanceof MongoClientException || e instanceof MongoSocketException)
            return "cannot reach MongoDB (" + message.replaceAll(".*xception: |( that matches|}|, servers).*", "")
                    + ") - does it run, is the host right, does Atlas let this address in (IP access list)?";
        boolean denied = e instanceof MongoException error && List.of(13, 8000).contains(error.getCode());
        return message + (denied ? " - has the URI a user with readWrite (--scope deployment: readAnyDatabase)?" : "");
    }
}
