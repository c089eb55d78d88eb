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
 * Deletes the customers whose checking account is below zero, one every half second.
 *
 * <p>Shows <a href="https://www.mongodb.com/docs/manual/reference/operator/query/elemMatch/">$elemMatch</a>
 * and <a href="https://www.mongodb.com/docs/drivers/java/sync/current/crud/delete/">deleteOne</a>.
 */
@Command(name = "delete", mixinStandardHelpOptions = true, version = "delete 1.0", sortOptions = false, description =
        "Deletes the customers whose checking account is below 0, one after the other.%n"
                + "Example: jbang delete --delay 0.1 --limit 10", showDefaultValues = true)
class delete implements Callable<Integer> {

    @Option(names = "--delay", description = "Seconds between two customers.") double delay = 0.5;
    @Option(names = "--limit", description = "At most so many customers; 0: all.") int limit;

    public static void main(String... args) {
        new delete().run(args);
    }

    @Override
    public Integer call() throws Exception {
        long start = System.currentTimeMillis(), deleted = 0;
        MongoClient client = connect();
        MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection);
        System.out.println(RULE + "\nDelete Bank Account Data\nChecking Acct with negative balance\n" + RULE);

        // $elemMatch: one and the same account is a checking account and below 0.
        var overdrawn = elemMatch("accounts", and(eq("type", "checking"), lt("balance", 0)));
        // By _id, in a fixed order. In small batches: the server closes a cursor not read for ten minutes.
        var found = customers.find(overdrawn).sort(new Document("_id", 1)).limit(limit).batchSize(10);
        try (client) {
            for (Document customer : found) {
                System.out.println("Found Checking Account with negative balance.");

                // The filter once more: who has paid in since the account was found is kept.
                long count = customers.deleteOne(and(eq("_id", customer.get("_id")), overdrawn)).getDeletedCount();
                deleted += count;
                if (count > 0) System.out.println("Successfully deleted customer with negative checking balance.");
                String name = (customer.get("firstName") + " " + customer.get("lastName")).replaceAll("\\p{C}", "?");
                String id = String.valueOf(customer.get("_id")).replaceAll("\\p{C}", "?");
                System.out.println("Customer name: " + name + "\nCustomer _id: " + id
                        + "\nNumber of documents deleted: " + count);
                if (!pause(delay)) break;
            }
        } finally {  // also after an error
            double seconds = (System.currentTimeMillis() - start) / 1000.0;
            System.out.println(RULE + "\nCustomers deleted: " + deleted
                    + "\nTotal Time Elapsed (in seconds): " + seconds + "\n" + RULE);
        }
        return 0;
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
