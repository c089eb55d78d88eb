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
import static java.util.concurrent.TimeUnit.*;
import static picocli.CommandLine.Help.Visibility.NEVER;

/**
 * Drops the collection and creates it again with one sample customer in it.
 *
 * <p>This ends each change stream that is open on it, with an
 * <a href="https://www.mongodb.com/docs/manual/reference/change-events/invalidate/">invalidate event</a>.
 */
@Command(name = "reset", version = "reset 1.0", mixinStandardHelpOptions = true, showDefaultValues = true,
        sortOptions = false, description =
        "Drops the collection of the demo and creates it again, with one sample in it."
                + "%nSettings in capitals may stand in .env.%nExample: jbang reset --pre-images")
class reset implements Callable<Integer> {
    static final String RULE = "=".repeat(60);
    @Option(names = "--pre-images", description = "Keep what was before (MongoDB 6.0).") boolean preImages;
    public static void main(String... args) { new reset().run(args); }

    @Override public Integer call() {
        long t0 = System.nanoTime();
        try (MongoClient client = connect()) {
            MongoDatabase bank = client.getDatabase(database);
            MongoCollection<Document> customers = bank.getCollection(collection);
            System.out.println(RULE + "\nRESET SCRIPT\n" + RULE);
            var options = new CreateCollectionOptions();
            options.changeStreamPreAndPostImagesOptions(new ChangeStreamPreAndPostImagesOptions(true));
            try {  // before anything is dropped: does this server know them?
                if (preImages) bank.createCollection(collection, options);
            } catch (MongoCommandException e) {
                if (List.of(72, 40415).contains(e.getCode())) return fail(1, "pre-images need MongoDB 6.0");
                if (e.getCode() != 48) throw e;  // 48: the collection exists
            }
            customers.drop();
            System.out.println("Dropped collection: " + collection);
            if (preImages) bank.createCollection(collection, options);  // else the insert creates it
            Document sample = new Document("firstName", "My First Name").append("lastName", "My Last Name");
            customers.insertOne(sample);
            System.out.println("Created collection: " + collection + (preImages ? ", with pre-images" : ""));
            System.out.println("Sample record id: " + sample.get("_id"));
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
