///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS net.datafaker:datafaker:2.7.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:CompileThresholdScaling=3 -XX:+UseSerialGC -Xmn32m -XX:SurvivorRatio=2 -Xlog:disable
//CDS

import com.mongodb.ConnectionString;
import com.mongodb.MongoBulkWriteException;
import com.mongodb.MongoClientSettings;
import com.mongodb.MongoCommandException;
import com.mongodb.MongoConfigurationException;
import com.mongodb.MongoConnectionPoolClearedException;
import com.mongodb.MongoException;
import com.mongodb.MongoNodeIsRecoveringException;
import com.mongodb.MongoNotPrimaryException;
import com.mongodb.MongoSecurityException;
import com.mongodb.MongoSocketException;
import com.mongodb.MongoTimeoutException;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.connection.ClusterType;
import io.github.cdimascio.dotenv.Dotenv;
import io.github.cdimascio.dotenv.DotenvEntry;
import io.github.cdimascio.dotenv.DotenvException;
import net.datafaker.Faker;
import org.bson.Document;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;
import picocli.CommandLine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Inserts made-up bank customers, one every half second, for the insert stream of the listener to notice.
 *
 * <pre>
 * jbang insert
 * jbang insert --records 20 --delay 0.1 --seed 7
 * jbang insert --records 100000 --delay 0
 * </pre>
 *
 * Shows <a href="https://www.mongodb.com/docs/drivers/java/sync/current/crud/insert/">insertOne and insertMany</a>.
 */
@Command(name = "insert", mixinStandardHelpOptions = true, version = "insert 1.0", description = {
        "Inserts made-up bank customers, each with a savings and a checking account, one after the other.",
        "The insert stream of the listener shows those whose checking account is below 0.",
        "Example: jbang insert --records 20 --delay 0.1",
        "         jbang insert --records 100000 --delay 0"})
class insert implements Callable<Integer> {

    /** With --delay 0 so many customers go to the server in one message. */
    static final int BATCH = 1000;
    static final String CLEAR_LINE = "\r\033[K";

    @Option(names = "--records", paramLabel = "N",
            description = "How many customers, up to 10 million. Default: 100; in .env: NUM_RECORDS_TO_GENERATE.")
    String records;

    @Option(names = "--delay", paramLabel = "SECONDS", defaultValue = "0.5", description = "Pause between two customers, "
            + "up to 3600; with 0 they go in batches of " + BATCH + ". Default: ${DEFAULT-VALUE}.")
    double delay;

    @Option(names = "--seed", paramLabel = "N", description = "The same number makes the same customers; birth dates "
            + "follow the current year. Default: others each time.")
    Long seed;

    public static void main(String... args) {
        new insert().run(args);
    }

    @Override
    public Integer call() throws InterruptedException {
        int total = total();
        check("--delay", delay, 0, 3600);
        try (MongoClient client = connect()) {
            MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection);
            banner("Insert Bank Account Data");

            Random random = seed == null ? new Random() : new Random(seed);
            Faker faker = new Faker(Locale.ENGLISH, random);
            CompletableFuture<List<Document>> next = delay > 0 ? null : make(total, faker, random);
            boolean rewrite = delay == 0 && Ansi.AUTO.enabled();  // a terminal that knows how to clear a line
            long begun = System.nanoTime(), shown = begun;
            int inserted = 0;
            try {
                while (inserted < total && (inserted == 0 || pause(delay)) && !System.out.checkError()) {
                    if (delay > 0) {
                        customers.insertOne(customer(faker, random));
                        inserted++;
                    } else {
                        List<Document> batch = next.join();
                        next = make(total - inserted - batch.size(), faker, random);
                        try {
                            customers.insertMany(batch);
                            inserted += batch.size();
                        } catch (MongoBulkWriteException e) {  // those before the one that failed are in the collection
                            inserted += e.getWriteResult().getInsertedCount();
                            throw e;
                        }
                    }

                    String line = "Inserted record: " + inserted + " of " + total;
                    if (!rewrite) {
                        System.out.println(line);
                    } else if (System.nanoTime() - shown > 250_000_000) {  // four times a second at most
                        shown = System.nanoTime();
                        System.out.print(CLEAR_LINE + line + pace(inserted, total, (shown - begun) / 1e9));
                        System.out.flush();
                    }
                }
            } finally {
                if (rewrite) System.out.print(CLEAR_LINE);
                banner("Customers inserted: " + inserted, elapsed());
            }
        }
        return 0;
    }

    /** Makes the next batch, while the one before is on its way to the server. */
    private static CompletableFuture<List<Document>> make(int left, Faker faker, Random random) {
        return CompletableFuture.supplyAsync(() ->
                Stream.generate(() -> customer(faker, random)).limit(Math.min(BATCH, left)).toList());
    }

    /** How fast it goes, and how many minutes and seconds are left. */
    private static String pace(int done, int total, double seconds) {
        long left = Math.round((total - done) * seconds / done);
        return String.format(Locale.ROOT, ", %.0f a second, %d:%02d left", done / seconds, left / 60, left % 60);
    }

    private int total() {
        String name = records != null ? "--records" : "NUM_RECORDS_TO_GENERATE";
        String value = setting(records, "NUM_RECORDS_TO_GENERATE", "100");
        if (!value.matches("\\d{1,8}") || Integer.parseInt(value) > 10_000_000)
            throw refuse(name + " must be a whole number from 0 to 10000000, not '" + value + "'");
        return Integer.parseInt(value);
    }

    private static Document customer(Faker faker, Random random) {
        String first = faker.name().firstName(), last = faker.name().lastName();
        // Some 50 times faster than faker.phoneNumber() and faker.internet(), which run regular expressions backwards.
        String mobile = faker.numerify("(###) ###-####"), home = faker.numerify("(###) ###-####");
        String email = (first + "." + last).toLowerCase(Locale.ROOT).replaceAll("[^a-z.]", "") + "@example.org";
        LocalDate birth = LocalDate.of(LocalDate.now().getYear() - 17 - random.nextInt(74), 1, 1).plusDays(random.nextInt(365));
        return new Document("firstName", first).append("lastName", last)
                .append("phoneNumbers", List.of(
                        new Document("type", "mobile").append("number", mobile),
                        new Document("type", "home").append("number", home)))
                .append("mobileNumber", mobile).append("email", email)
                .append("birthDate", birth.format(DateTimeFormatter.ofPattern("MM-dd-yyyy")))
                .append("address", new Document("street", faker.address().streetAddress()).append("city", faker.address().city())
                        .append("state", faker.address().state()).append("zip", faker.address().zipCode()))
                .append("accounts", List.of(
                        new Document("type", "savings").append("accountNumber", faker.finance().creditCard())
                                .append("interestRate", random.nextInt(11, 50) / 10.0).append("balance", random.nextInt(1, 5001)),
                        new Document("type", "checking").append("accountNumber", faker.finance().creditCard())
                                .append("overdraftLimit", random.nextInt(10000)).append("balance", random.nextInt(-4999, 5001))));
    }

    // ===== Plumbing, the same in every script: common options, settings, connection, errors, Ctrl-C =====

    @Option(names = "--uri", paramLabel = "URI", description = "Connection string; in .env: MONGODB_ATLAS_URL. "
            + "Keep one that holds a password in .env: options show in the list of processes.")
    String uri;
    @Option(names = "--database", paramLabel = "NAME", description = "Default: bankdatabase; in .env: DATABASE.")
    String database;
    @Option(names = "--collection", paramLabel = "NAME", description = "Default: accounts; in .env: COLLECTION.")
    String collection;
    @Option(names = "--env-file", paramLabel = "FILE", description = "Settings file. Default: .env in the working directory.")
    Path envFile;
    @Option(names = "--verbose", description = "Show the stack trace of an error.")
    boolean verbose;
    @Spec
    CommandSpec spec;

    final long startedAt = System.nanoTime();
    final CountDownLatch stop = new CountDownLatch(1);                   // Ctrl-C was pressed
    final CompletableFuture<Void> finished = new CompletableFuture<>();  // call() has returned
    volatile boolean working;                                            // there is something to finish first

    void run(String... args) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stop.countDown();
            if (working) finished.completeOnTimeout(null, 10, TimeUnit.SECONDS).join();
        }));
        CommandLine commandLine = new CommandLine(this).setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler((e, ignored) -> {
                    List<String> meant = e instanceof UnmatchedArgumentException u ? u.getSuggestions() : List.of();
                    return fail(2, mask(e.getMessage()) + (meant.isEmpty() ? "" : " - did you mean " + String.join(" or ", meant) + "?")
                            + " (see " + spec.name() + " --help)");
                })
                .setExecutionExceptionHandler((e, ignored, none) -> {
                    if (verbose) e.printStackTrace();
                    return fail(1, explain(e));
                });
        spec.usageMessage().sortOptions(false)
                .footer("", "Exit codes: 0 done, 1 failed, 2 wrong option or setting, 130 stopped by Ctrl-C.");
        int exitCode = commandLine.execute(args);
        finished.complete(null);
        System.exit(exitCode);
    }

    int fail(int exitCode, String message) {
        System.err.println(spec.name() + ": " + message.replaceAll("\\s+", " "));
        return exitCode;
    }

    ParameterException refuse(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    void check(String option, double value, double low, double high) {
        if (!(value >= low && value <= high))  // so that NaN is refused too
            throw refuse(String.format(Locale.ROOT, "%s must be from %.0f to %.0f", option, low, high));
    }

    /** Waits, and says whether to go on: not after Ctrl-C. */
    boolean pause(double seconds) throws InterruptedException {
        return !stop.await((long) (seconds * 1000), TimeUnit.MILLISECONDS);
    }

    void banner(String... lines) {
        String rule = "=".repeat(60);
        System.out.println(rule + "\n" + String.join("\n", lines) + "\n" + rule);
    }

    String elapsed() {
        return String.format(Locale.ROOT, "Total Time Elapsed (in seconds): %.2f", (System.nanoTime() - startedAt) / 1e9);
    }

    /** Connects, and finds out before anything is written whether address, password and kind of server are right. */
    MongoClient connect() {
        String url = setting(uri, "MONGODB_ATLAS_URL", "");
        database = setting(database, "DATABASE", "bankdatabase");
        collection = setting(collection, "COLLECTION", "accounts");
        if (url.isEmpty())
            throw refuse("no MongoDB to connect to - cp .env.example .env and set MONGODB_ATLAS_URL, or use --uri");
        if (url.matches("(?s).*<[\\w ]+>.*"))
            throw refuse("the connection string still holds a <placeholder> - put your own value there");
        if (!database.matches("(?!(admin|local|config)$)[^/\\\\. \"$*<>:|?\\x00]+") || database.getBytes(UTF_8).length > 63)
            throw refuse("'" + database + "' cannot be the database - take up to 63 letters and digits, not admin, local, config");
        if (!collection.matches("(?!system\\.|\\.)[^$\\x00]+") || (database + "." + collection).getBytes(UTF_8).length > 255)
            throw refuse("'" + collection + "' cannot be the collection - take letters and digits, and not system. in front");
        MongoClientSettings settings;
        try {
            settings = MongoClientSettings.builder().retryWrites(true).applicationName("change-stream-demo " + spec.name())
                    .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, TimeUnit.SECONDS))
                    .applyToSocketSettings(socket -> socket.connectTimeout(5, TimeUnit.SECONDS))
                    .applyConnectionString(new ConnectionString(url))  // last: what the URI names itself wins
                    .build();
        } catch (IllegalArgumentException | IllegalStateException e) {  // never shown: its message may quote the password
            throw refuse("the connection string " + url.replaceAll("(?s)^(mongodb(\\+srv)?://)?.*", "$1***") + " is malformed - "
                    + "write each @ : / % in user and password as %40 %3A %2F %25, the rest like mongodb://host:port/?replicaSet=name");
        }
        System.out.println("MongoDB Atlas DB URL: " + mask(url) + "\nDatabase: " + database + "\nCollection: " + collection);
        MongoClient client = MongoClients.create(settings);
        client.getDatabase(database).runCommand(new Document("ping", 1));
        if (client.getClusterDescription().getType() == ClusterType.STANDALONE)
            throw new MongoException(40573, "standalone server");  // what it would answer to a change stream
        working = true;
        return client;
    }

    static String mask(String text) {
        return text.replaceAll("(?is)(://.*?)(:|%3A).*@", "$1:***@")
                .replaceAll("(?i)((proxyPassword|tlsCertificateKeyFilePassword)=|AWS_SESSION_TOKEN(:|%3A))[^&,]*", "$1***");
    }

    /** What happened, and what to do about it. */
    String explain(Exception e) {
        String message = e instanceof MongoCommandException command ? command.getErrorMessage()
                : e instanceof MongoException ? e.getMessage() : e.toString();
        if (e instanceof MongoSecurityException)
            return "MongoDB refused user or password - check them, and that each @ : / % in them is written %40 %3A %2F %25";
        if (e instanceof MongoNotPrimaryException)
            return "this server is not the primary - name its replica set in the URI, or rs.initiate() a new one in mongosh";
        if (e instanceof MongoNodeIsRecoveringException)
            return "MongoDB has no primary at the moment (" + message + ") - run it again in a minute";
        if (e instanceof MongoTimeoutException || e instanceof MongoSocketException || e instanceof MongoConfigurationException
                || e instanceof MongoConnectionPoolClearedException)
            return "cannot reach MongoDB (" + message  // of the driver's long message the innermost cause, if it names one
                    .replaceAll("(?s).*(?:xception=|caused by )\\{?[\\w.]*?(\\w+: [^{}]*?)(?:}|, servers).*", "$1")
                    .replaceAll("(?s)\\. Client view.*", "")
                    + ") - does it run (jbang sandbox), is the host right, does Atlas let this address in (IP access list)?";
        return switch (e instanceof MongoException m ? m.getCode() : 0) {
            case 13 -> message + " - the user in the URI needs the role readWrite on " + database;
            case 40573 -> "change streams need a replica set, and this server is none - start it with mongod --replSet rs0 and "
                    + "rs.initiate() in mongosh, or use jbang sandbox";
            default -> message + (verbose ? "" : " - run it with --verbose for more");
        };
    }

    /** The option, or the variable in the environment if it is not empty, or the one in .env, or the default. */
    String setting(String option, String variable, String otherwise) {
        if (option != null) return option;
        String value = System.getenv(variable);
        return value != null && !value.isEmpty() ? value : dotEnv().getOrDefault(variable, otherwise);
    }

    /** Reads .env, if dotenv-java reads each line of it as python-dotenv does, for which many a file was written. */
    Map<String, String> dotEnv() {
        Path file = (envFile != null ? envFile : Path.of(".env")).toAbsolutePath();
        if (envFile == null && Files.notExists(file)) return Map.of();
        String key = "[ \t]*[A-Za-z0-9_.-]+[ \t]*=[ \t]*";
        String quoted = "\"[^\"\\\\]*\"[ \t]*(#.*)?", plain = "([^\\s\"'#][[^\\s\"#] \t]*)?((?<=[ \t])#.*)?";
        String alike = "(?U)[ \t]*|#.*|(?!.*\\$\\{)" + key + "(" + quoted + "|" + plain + ")";
        try {
            if (!Files.isRegularFile(file)) throw new IOException("not a file, or a pipe, which cannot be read twice");
            List<String> lines = Files.readAllLines(file);
            for (String line : lines)
                if (!line.matches(alike))
                    throw refuse(file.getFileName() + ":" + (lines.indexOf(line) + 1) + ": cannot be read - write KEY=value or "
                            + "KEY=\"value\": no export, no single quotes, no \\ in quotes, no ${...}, a blank before a # comment, "
                            + "no blank before a comment line");
            return Dotenv.configure().directory(file.getParent() + "/").filename(file.getFileName().toString()).load()
                    .entries(Dotenv.Filter.DECLARED_IN_ENV_FILE).stream()
                    .collect(Collectors.toMap(DotenvEntry::getKey, DotenvEntry::getValue));
        } catch (IOException | DotenvException e) {
            throw refuse((envFile != null ? envFile : ".env") + " cannot be read - does it exist, and is it UTF-8 text?");
        }
    }
}
