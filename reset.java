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
import com.mongodb.client.model.*;
import io.github.cdimascio.dotenv.Dotenv;
import java.io.*;
import java.nio.file.*;
import java.util.List;
import java.util.concurrent.*;
import org.bson.*;
import picocli.CommandLine;
import picocli.CommandLine.*;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.*;

/**
 * Drops the collection and creates it again with one sample customer in it.
 *
 * <p>A change stream that is open on it ends with an
 * <a href="https://www.mongodb.com/docs/manual/reference/change-events/invalidate/">invalidate event</a>:
 * listener.java shows how to go on after that.
 */
@Command(name = "reset", mixinStandardHelpOptions = true, version = "reset 1.0", sortOptions = false, description =
        "Drops the collection of the demo and creates it again with one sample customer.%n"
                + "Example: jbang reset --pre-images", showDefaultValues = true)
class reset implements Callable<Integer> {

    @Option(names = "--pre-images", description = "Keep what a document was before a change (MongoDB 6.0).")
    boolean preImages;

    public static void main(String... args) {
        new reset().run(args);
    }

    @Override
    public Integer call() throws IOException {
        long start = System.currentTimeMillis();
        try (MongoClient client = connect()) {
            MongoDatabase bank = client.getDatabase(database);
            MongoCollection<Document> customers = bank.getCollection(collection);
            System.out.println(RULE + "\nRESET SCRIPT\n" + RULE);

            System.out.println("Dropping collection: " + collection);
            customers.drop();

            System.out.println("Create collection: " + collection);
            if (preImages) {  // without options, the first insert creates the collection
                bank.createCollection(collection, new CreateCollectionOptions()
                        .changeStreamPreAndPostImagesOptions(new ChangeStreamPreAndPostImagesOptions(true)));
                System.out.println("Pre-images: enabled");
            }
            Document sample = new Document("firstName", "My First Name").append("lastName", "My Last Name");
            customers.insertOne(sample);
            System.out.println("Sample record id: " + sample.get("_id"));

            double seconds = (System.currentTimeMillis() - start) / 1000.0;
            System.out.println(RULE + "\nTotal Time Elapsed (in seconds): " + seconds + "\n" + RULE);
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
