///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -Dpicocli.ansi=false -XX:+NeverActAsServerClassMachine -XX:CompileThresholdScaling=3 -Xlog:disable
//CDS

import com.mongodb.*;
import com.mongodb.client.*;
import com.mongodb.client.model.Updates;
import com.mongodb.client.result.UpdateResult;
import io.github.cdimascio.dotenv.Dotenv;
import java.io.*;
import java.nio.file.*;
import java.util.List;
import java.util.concurrent.*;
import org.bson.*;
import picocli.CommandLine;
import picocli.CommandLine.*;

import static com.mongodb.client.model.Filters.*;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.*;

/**
 * Numbers the customers whose checking account holds more than 1000: resumeCounter is 1, 2, 3 and so on.
 *
 * <p>The resume stream of the listener breaks off meanwhile and
 * <a href="https://www.mongodb.com/docs/manual/changeStreams/#resume-a-change-stream">resumes</a>;
 * numbers without a gap show that it has missed nothing.
 */
@Command(name = "resume_update", mixinStandardHelpOptions = true, version = "resume_update 1.0", sortOptions = false,
        description = "Sets resumeCounter to 1, 2, 3 and so on, or on from the highest, where checking is over 1000."
                + "%nExample: jbang resume_update --limit 20", showDefaultValues = true)
class resume_update implements Callable<Integer> {

    @Option(names = "--delay", description = "Seconds between two customers.") double delay = 1;
    @Option(names = "--limit", description = "At most so many customers; 0: all.") int limit;
    @Option(names = "--check", description = "Only say whether a number is missing or there twice.") boolean checkOnly;

    public static void main(String... args) {
        new resume_update().run(args);
    }

    @Override
    public Integer call() throws Exception {
        long start = System.currentTimeMillis(), updated = 0;
        MongoClient client = connect();
        MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection)
                .withReadPreference(ReadPreference.primary());  // a secondary may not have the highest number yet
        var numbered = customers.find(and(type("resumeCounter", "number"), not(type("resumeCounter", "array"))));
        if (checkOnly) return check(numbered.sort(new Document("resumeCounter", 1)));
        System.out.println(RULE + "\nResume Example\nUpdate a field on Checking Accts w/ balance > $1k\n" + RULE);
        Document highest = numbered.sort(new Document("resumeCounter", -1)).first();
        long counter = highest == null ? 0 : highest.get("resumeCounter", Number.class).longValue();

        // $elemMatch: one and the same account is a checking account and over 1000.
        var unnumbered = and(exists("resumeCounter", false),
                elemMatch("accounts", and(eq("type", "checking"), gt("balance", 1000))));
        // By _id, in a fixed order. In small batches: the server closes a cursor not read for ten minutes.
        var found = customers.find(unnumbered).sort(new Document("_id", 1)).limit(limit).batchSize(10);
        try (client) {
            for (Document customer : found) {
                System.out.println("Found Checking Account w/ balance > $1000.");

                // The filter once more: a customer changed or numbered since is left alone, and uses up no number.
                UpdateResult result = customers.updateOne(and(eq("_id", customer.get("_id")), unnumbered),
                        Updates.set("resumeCounter", counter + 1));
                System.out.println("Successful update with matched: " + result.getMatchedCount()
                        + " and modified count: " + result.getModifiedCount());
                if (result.getModifiedCount() == 0) continue;
                counter++;
                updated++;
                System.out.println(("Incremented resumeCounter to customer acct with _id: " + customer.get("_id"))
                        .replaceAll("\\p{C}", "?") + "\nCounter value: " + counter);
                if (!pause(delay)) break;
            }
        } finally {  // also after an error
            double seconds = (System.currentTimeMillis() - start) / 1000.0;
            System.out.println(RULE + "\nCustomers updated: " + updated
                    + "\nTotal Time Elapsed (in seconds): " + seconds + "\n" + RULE);
        }
        return 0;
    }

    int check(Iterable<Document> numbered) {
        long last = 0, missed = 0, repeated = 0;
        for (Document customer : numbered) {
            long number = customer.get("resumeCounter", Number.class).longValue();
            if (number == last) repeated++;
            else missed += number - last - 1;
            last = number;
        }
        if (last == 0) return fail(1, "no customer has a resumeCounter - run resume_update first");
        System.out.println("counters 1.." + last + ", " + missed + " missed, " + repeated + " repeated");
        return missed + repeated == 0 ? 0 : 1;
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
