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
 * Numbers the customers whose checking account holds more than 1000: resumeCounter is 1, 2, 3 and so on.
 *
 * <p>The listener's stream of them fails meanwhile and <a href=
 * "https://www.mongodb.com/docs/manual/changeStreams/#resume-a-change-stream">resumes</a>: it must miss none.
 */
@Command(name = "resume_update", version = "resume_update 1.0", mixinStandardHelpOptions = true,
        showDefaultValues = true, sortOptions = false, description =
        "Numbers the customers with over $1000 in checking: resumeCounter 1, 2, 3 ..."
                + "%nSettings in capitals may stand in .env.%nExample: jbang resume_update --limit 20")
class resume_update implements Callable<Integer> {
    static final String RULE = "=".repeat(60);
    @Option(names = "--delay", description = "Seconds between two customers.") double delay = 1;
    @Option(names = "--limit", description = "At most so many customers; 0: all.") int limit;
    @Option(names = "--check", description = "Only say how many are not there, or twice.") boolean checkOnly;
    public static void main(String... args) { new resume_update().run(args); }

    @Override public Integer call() throws Exception {
        if (limit < 0 || !(delay >= 0)) return fail(2, "--limit and --delay take no number below 0");
        long start = System.nanoTime(), updated = 0;
        MongoClient client = connect();
        MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection)
                .withReadPreference(ReadPreference.primary());  // a secondary may lag behind
        var numbered = customers.find(and(gt("resumeCounter", 0), not(type("resumeCounter", "array"))));
        if (checkOnly) return check(numbered.sort(Sorts.ascending("resumeCounter")));
        String about = "Resume Example\nUpdate a field on Checking Accts w/ balance > $1k";
        System.out.println(RULE + "\n" + about + "\n" + RULE);
        Document highest = numbered.sort(Sorts.descending("resumeCounter")).first();
        long counter = highest == null ? 0 : highest.get("resumeCounter", Number.class).longValue();

        // $elemMatch: one and the same account is a checking account and over 1000.
        var unnumbered = and(exists("resumeCounter", false),
                elemMatch("accounts", and(eq("type", "checking"), gt("balance", 1000))));
        // All are read before the first write: a cursor dies with its server, and after ten idle minutes.
        var found = customers.find(unnumbered).projection(Projections.include("_id"))
                .sort(Sorts.ascending("_id")).limit(limit).into(new ArrayList<>());
        try (client) {
            for (Document customer : found) {
                System.out.println("Found Checking Account w/ balance > $1000.");
                // The filter once more: a customer changed or numbered since is left alone, at no number.
                var result = customers.updateOne(and(eq("_id", customer.get("_id")), unnumbered),
                        Updates.set("resumeCounter", counter + 1));
                System.out.println("Successful update with matched: " + result.getMatchedCount()
                        + " and modified count: " + result.getModifiedCount());
                if (result.getModifiedCount() == 0) continue;
                counter++;
                updated++;
                String id = String.valueOf(customer.get("_id")).replaceAll("\\p{C}", "?");
                System.out.println("Incremented resumeCounter to customer acct with _id: " + id);
                System.out.println("Counter value: " + counter);
                if (stop.await((long) (delay * 1000), MILLISECONDS)) break;  // Ctrl-C
            }
        } finally {  // also after an error
            System.out.println(RULE + "\nCustomers updated: " + updated);
            System.out.println("Total Time Elapsed (in seconds): " + (System.nanoTime() - start) / 1e9);
            System.out.println(RULE);
        }
        return 0;
    }

    /** What is not there need not have been missed: its customer may be deleted. */
    int check(Iterable<Document> numbered) {
        long last = 0, absent = 0, twice = 0;
        for (Document customer : numbered) {
            long number = customer.get("resumeCounter", Number.class).longValue();
            if (number == last) twice++;
            else absent += number - last - 1;
            last = number;
        }
        if (last == 0) return fail(1, "no customer has a resumeCounter - run resume_update first");
        System.out.println("numbers 1.." + last + ": " + absent + " not there, " + twice + " there twice");
        return absent + twice == 0 ? 0 : 1;
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
