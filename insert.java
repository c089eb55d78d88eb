///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//DEPS net.datafaker:datafaker:2.7.0
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.*;
import com.mongodb.client.*;
import io.github.cdimascio.dotenv.*;
import java.time.LocalDate;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Stream;
import net.datafaker.Faker;
import org.bson.*;
import picocli.CommandLine;
import picocli.CommandLine.*;

import static com.mongodb.ReadPreference.nearest;
import static java.util.concurrent.TimeUnit.*;
import static picocli.CommandLine.Help.Visibility.NEVER;

/**
 * Inserts made-up bank customers, one every half second, for the insert stream of the listener to notice.
 *
 * <p>Shows <a href="https://www.mongodb.com/docs/drivers/java/sync/current/crud/insert/">insertMany</a>.
 */
@Command(name = "insert", version = "insert 1.0", mixinStandardHelpOptions = true, showDefaultValues = true,
        sortOptions = false, description =
        "Inserts made-up bank customers, each with a savings and a checking account."
                + "%nSettings in capitals may stand in .env.%nExample: jbang insert --records 20 --delay 0.1")
class insert implements Callable<Integer> {
    static final String RULE = "=".repeat(60);
    @Option(names = "--records", paramLabel = "NUM_RECORDS_TO_GENERATE", description = "How many customers.")
    int records = 100;
    @Option(names = "--delay", description = "Seconds between two; 0: by the thousand.") double delay = 0.5;
    @Option(names = "--seed", description = "Same number, same customers, but for birth dates.") Long seed;
    public static void main(String... args) { new insert().run(args); }

    @Override public Integer call() throws Exception {
        if (records < 0 || !(delay >= 0)) return fail(2, "--records and --delay take no number below 0");
        long start = System.nanoTime();
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
                System.out.printf("Inserted record: %d of %d: %s, checking %s%n",
                        inserted, records, last.get("email"), checking.get("balance"));
                if (stop.await((long) (delay * 1000), MILLISECONDS)) break;  // Ctrl-C
            }
        } catch (MongoBulkWriteException e) {  // those before the one that failed are in the collection
            inserted += e.getWriteResult().getInsertedCount();
            throw e;
        } finally {  // also after an error
            System.out.println(RULE + "\nCustomers inserted: " + inserted);
            System.out.println("Total Time Elapsed (in seconds): " + (System.nanoTime() - start) / 1e9);
            System.out.println(RULE);
        }
        return 0;
    }

    static Document customer(Faker faker, Random random) {
        String first = faker.name().firstName(), last = faker.name().lastName();
        String email = (first + "." + last).toLowerCase(Locale.ROOT).replaceAll("[^a-z.]", "");
        String mobile = faker.numerify("(###) ###-####"), home = faker.numerify("(###) ###-####");
        LocalDate birth = LocalDate.now().minusYears(17).minusDays(random.nextInt(73 * 365));
        return new Document("firstName", first)
                .append("lastName", last)
                .append("phoneNumbers", List.of(
                        new Document("type", "mobile").append("number", mobile),
                        new Document("type", "home").append("number", home)))
                .append("mobileNumber", mobile)
                .append("email", email + "@example.org")
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
    @Option(names = "--uri", paramLabel = "MONGODB_ATLAS_URL", showDefaultValue = NEVER) String uri = "";
    @Option(names = "--database", paramLabel = "DATABASE") String database = "bankdatabase";
    @Option(names = "--collection", paramLabel = "COLLECTION") String collection = "accounts";
    final CountDownLatch stop = new CountDownLatch(1);                  // it is time to end
    final CompletableFuture<Integer> done = new CompletableFuture<>();  // call() has returned

    void run(String... args) {
        int exitCode = new CommandLine(this).setParameterExceptionHandler((e, all) -> fail(2, why(e)))
                .setExecutionExceptionHandler((e, c, p) -> fail(e instanceof MongoException ? 1 : 2, why(e)))
                .setDefaultValueProvider(o -> Dotenv.configure().ignoreIfMissing().load().get(o.paramLabel()))
                .execute(args);
        done.complete(exitCode);
        System.exit(exitCode);
    }

    int fail(int exitCode, String message) {  // in one line, and without what may be a password
        System.err.println(getClass().getName() + ": " + message.replaceAll("(?s)'.*(@|//).*|\\s+", " "));
        return exitCode;
    }

    MongoClient connect() {
        ConnectionString url = new ConnectionString(uri);
        MongoClient client = MongoClients.create(MongoClientSettings.builder()
                .applyToSocketSettings(socket -> socket.readTimeout(10, SECONDS))  // silence is an error
                .applyConnectionString(url)                                // beats that, not what follows
                .applyToConnectionPoolSettings(pool -> pool.maxSize(100))  // one for each stream
                .compressorList(List.of())                                 // they would need more libraries
                .uuidRepresentation(UuidRepresentation.STANDARD)           // as other languages write them
                .readConcern(ReadConcern.DEFAULT).writeConcern(WriteConcern.MAJORITY).build());  // as streams
        client.withTimeout(9, SECONDS).withReadPreference(nearest()).listDatabaseNames().first();  // not 30 s
        System.out.printf("Hosts: %s%nDatabase: %s%nCollection: %s%n", url.getHosts(), database, collection);
        Runtime.getRuntime().addShutdownHook(new Thread(stop::countDown));  // Ctrl-C, it waits for call():
        Runtime.getRuntime().addShutdownHook(new Thread(() -> done.completeOnTimeout(1, 9, SECONDS).join()));
        return client;
    }

    static String why(Throwable e) {  // and what to do; a quotation may be a password
        String told = e instanceof MongoCommandException m ? m.getErrorMessage() : "" + e.getMessage();
        if (e.getCause() instanceof DotenvException) return ".env: UTF-8 without BOM, each line NAME=value";
        if (e instanceof IllegalArgumentException) return told.split("['\".\\[]")[0] + " - see .env.example";
        if (e instanceof MongoSecurityException) return "login refused - user, password, authSource right?";
        if (told.contains("GHOST")) return "the replica set is not initiated - in mongosh: rs.initiate()";
        if (told.matches("(?s).*(UnknownHost|SRV ).*")) return "no such host - or try directConnection=true";
        if (e instanceof MongoClientException || e instanceof MongoSocketException)
            return "cannot reach MongoDB: " + told.replaceAll(".*: |}.*| that.*", "") + " - up? let in?";
        boolean denied = e instanceof MongoException it && List.of(13, 8000).contains(it.getCode());
        return denied ? told.replaceAll("command \\{ (\\w+).*", "$1") + " - has the user readWrite?" : told;
    }
}
