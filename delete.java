///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.*;
import com.mongodb.client.*;
import com.mongodb.client.model.*;
import io.github.cdimascio.dotenv.*;
import java.util.*;
import java.util.concurrent.*;
import org.bson.*;
import picocli.CommandLine;
import picocli.CommandLine.*;

import static com.mongodb.ReadPreference.nearest;
import static com.mongodb.client.model.Filters.*;
import static java.util.concurrent.TimeUnit.*;
import static picocli.CommandLine.Help.Visibility.NEVER;

/**
 * Deletes the customers whose checking account is below zero, one every half second, with
 * <a href="https://www.mongodb.com/docs/drivers/java/sync/current/crud/delete/">deleteOne</a>.
 */
@Command(name = "delete", version = "delete 1.0", mixinStandardHelpOptions = true, showDefaultValues = true,
        sortOptions = false, description =
        "Deletes the customers whose checking account is below 0, one by one."
                + "%nSettings in capitals may stand in .env.%nExample: jbang delete --delay 0.1 --limit 10")
class delete implements Callable<Integer> {
    static final String RULE = "=".repeat(60);
    @Option(names = "--delay", description = "Seconds between two customers.") double delay = 0.5;
    @Option(names = "--limit", description = "At most so many customers; 0: all.") int limit;
    public static void main(String... args) { new delete().run(args); }

    @Override public Integer call() throws Exception {
        if (limit < 0 || !(delay >= 0)) return fail(2, "--limit and --delay take no number below 0");
        long start = System.nanoTime(), deleted = 0;
        MongoClient client = connect();
        MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection);
        System.out.println(RULE + "\nDelete Bank Account Data\nChecking Acct with negative balance\n" + RULE);
        // $elemMatch: one and the same account is a checking account and below 0.
        var overdrawn = elemMatch("accounts", and(eq("type", "checking"), lt("balance", 0)));
        // All are read before the first write: a cursor dies with its server, and after ten idle minutes.
        var found = customers.find(overdrawn).projection(Projections.include("firstName", "lastName"))
                .sort(Sorts.ascending("_id")).limit(limit).into(new ArrayList<>());
        try (client) {
            for (Document customer : found) {
                System.out.println("Found Checking Account with negative balance.");
                var still = and(eq("_id", customer.get("_id")), overdrawn);  // who has paid in since is kept
                long count = customers.deleteOne(still).getDeletedCount();
                deleted += count;
                if (count > 0)
                    System.out.println("Successfully deleted customer with negative checking balance.");
                String name = customer.get("firstName") + " " + customer.get("lastName");
                System.out.println("Customer name: " + name.replaceAll("\\p{C}", "?"));
                System.out.println(("Customer _id: " + customer.get("_id")).replaceAll("\\p{C}", "?"));
                System.out.println("Number of documents deleted: " + count);
                if (stop.await((long) (delay * 1000), MILLISECONDS)) break;  // Ctrl-C
            }
        } finally {  // also after an error
            System.out.println(RULE + "\nCustomers deleted: " + deleted);
            System.out.println("Total Time Elapsed (in seconds): " + (System.nanoTime() - start) / 1e9);
            System.out.println(RULE);
        }
        return 0;
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
