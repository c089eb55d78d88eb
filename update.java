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
 * Deposits 100 dollars for each customer whose checking account holds less than 1000, one customer a second.
 *
 * <p>Shows <a href="https://www.mongodb.com/docs/manual/reference/operator/update/positional/">the positional $</a>:
 * the filter names one account with $elemMatch, the update changes that very account.
 */
@Command(name = "update", mixinStandardHelpOptions = true, version = "update 1.0", sortOptions = false, description =
        "Makes a deposit to every customer whose account is below an amount, one after the other.%n"
                + "Example: jbang update --account savings --delay 0.2 --limit 10", showDefaultValues = true)
class update implements Callable<Integer> {

    enum Account { checking, savings }

    @Option(names = "--account", description = "checking or savings.") Account account = Account.checking;
    @Option(names = "--below", description = "Accounts with less than this.") int below = 1000;
    @Option(names = "--deposit", description = "What each of them gets.") int deposit = 100;
    @Option(names = "--delay", description = "Seconds between two customers.") double delay = 1;
    @Option(names = "--limit", description = "At most so many customers; 0: all.") int limit;

    public static void main(String... args) {
        new update().run(args);
    }

    @Override
    public Integer call() throws Exception {
        long start = System.currentTimeMillis(), updated = 0;
        MongoClient client = connect();
        MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection);
        System.out.println(RULE + "\nUpdate Bank Account Data\n" + RULE);
        String title = account == Account.checking ? "Checking" : "Savings";

        // $elemMatch: one and the same account is of this type and below the amount.
        var poor = elemMatch("accounts", and(eq("type", account.name()), lt("balance", below)));
        // By _id, so that none is met twice. In small batches: the server closes a cursor not read for ten minutes.
        var found = customers.find(poor).sort(new Document("_id", 1)).limit(limit).batchSize(10);
        try (client) {
            for (Document customer : found) {
                String name = (customer.get("firstName") + " " + customer.get("lastName")).replaceAll("\\p{C}", "?");
                System.out.println("Found " + title + " Account with under $" + below + ".\nCustomer: " + name);

                // The filter once more: an account that has changed since it was found is left alone.
                UpdateResult result = customers.updateOne(and(eq("_id", customer.get("_id")), poor),
                        Updates.inc("accounts.$.balance", deposit));
                System.out.println("Successful update with matched: " + result.getMatchedCount()
                        + " and modified count: " + result.getModifiedCount());
                if (result.getMatchedCount() == 0) continue;
                updated++;
                String id = String.valueOf(customer.get("_id")).replaceAll("\\p{C}", "?");
                System.out.println("Added $" + deposit + " to customer acct with _id: " + id);
                if (!pause(delay)) break;
            }
        } finally {  // also after an error
            double seconds = (System.currentTimeMillis() - start) / 1000.0;
            System.out.println(RULE + "\nCustomers updated: " + updated
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
