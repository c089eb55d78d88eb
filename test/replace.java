///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.*;
import com.mongodb.client.*;
import com.mongodb.client.model.Aggregates;
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
 * Replaces one customer, picked at random, as MongoDB Compass does when you edit one in its JSON view.
 *
 * <p>For those who have no Compass at hand. The command is the same, findOneAndReplace.
 */
@Command(name = "replace", version = "replace 1.0", mixinStandardHelpOptions = true, showDefaultValues = true,
        sortOptions = false, description =
        "Replaces one customer, picked at random, as MongoDB Compass does in its JSON view."
                + "%nSettings in capitals may stand in .env.")
class replace implements Callable<Integer> {
    static final String RULE = "=".repeat(60);
    public static void main(String... args) { new replace().run(args); }

    @Override public Integer call() {
        long t0 = System.nanoTime();
        try (MongoClient client = connect()) {
            MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection);
            System.out.println(RULE + "\nReplace a Customer\n" + RULE);
            Document customer = customers.aggregate(List.of(
                    Aggregates.match(exists("accounts")),
                    Aggregates.sample(1))).first();
            if (customer == null) return fail(1, "there is no customer to replace - run insert first");

            String before = String.valueOf(customer.get("email")).replaceAll("\\p{C}", "?");
            customer.put("email", before.startsWith("new.") ? before.substring(4) : "new." + before);
            customers.findOneAndReplace(eq("_id", customer.get("_id")), customer);
            String id = String.valueOf(customer.get("_id")).replaceAll("\\p{C}", "?");
            String name = customer.get("firstName") + " " + customer.get("lastName");
            System.out.println("Replaced customer with _id: " + id);
            System.out.println("Customer: " + name.replaceAll("\\p{C}", "?"));
            System.out.println("E-mail before: " + before + "\nE-mail now: " + customer.get("email"));

            System.out.println(RULE + "\nTotal Time Elapsed (in seconds): " + (System.nanoTime() - t0) / 1e9);
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
