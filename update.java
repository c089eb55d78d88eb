///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -XX:CompileThresholdScaling=3 -XX:+UseSerialGC -Xlog:disable
//CDS

import com.mongodb.ConnectionString;
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
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.Projections;
import com.mongodb.client.model.Updates;
import com.mongodb.client.result.UpdateResult;
import com.mongodb.connection.ClusterType;
import io.github.cdimascio.dotenv.Dotenv;
import io.github.cdimascio.dotenv.DotenvEntry;
import io.github.cdimascio.dotenv.DotenvException;
import org.bson.Document;
import org.bson.conversions.Bson;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;
import picocli.CommandLine;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Deposits 100 dollars into every checking account that holds less than 1000, one customer every second.
 *
 * <pre>
 * jbang update
 * jbang update --account savings --below 500 --deposit 50 --delay 0.2 --limit 10
 * </pre>
 *
 * Shows <a href="https://www.mongodb.com/docs/manual/reference/operator/update/positional/">the positional $</a>:
 * the filter names one account with $elemMatch, the update changes that very account.
 */
@Command(name = "update", mixinStandardHelpOptions = true, version = "update 1.0", description = {
        "Makes a deposit to every customer whose account is below an amount, one after the other.",
        "The update stream of the listener shows each deposit and the new balance.",
        "Example: jbang update --account savings --delay 0.2 --limit 10"})
class update implements Callable<Integer> {

    enum Account { checking, savings }

    @Option(names = "--account", defaultValue = "checking", paramLabel = "TYPE",
            description = "One of ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    Account account;

    @Option(names = "--below", defaultValue = "1000", paramLabel = "AMOUNT",
            description = "Accounts with less than this. Default: ${DEFAULT-VALUE}.")
    BigDecimal below;

    @Option(names = "--deposit", defaultValue = "100", paramLabel = "AMOUNT",
            description = "What each of them gets, up to 1000000. Default: ${DEFAULT-VALUE}.")
    BigDecimal deposit;

    @Option(names = "--delay", defaultValue = "1", paramLabel = "SECONDS",
            description = "Pause between two customers, up to 300. Default: ${DEFAULT-VALUE}.")
    double delay;

    @Option(names = "--limit", paramLabel = "N", description = "At most so many customers. Default: all.")
    Integer limit;

    public static void main(String... args) {
        new update().run(args);
    }

    @Override
    public Integer call() throws InterruptedException {
        check("--below", below.doubleValue(), -1e9, 1e9);
        check("--deposit", deposit.doubleValue(), 0, 1e6);
        check("--delay", delay, 0, 300);
        if (limit != null) check("--limit", limit, 1, Integer.MAX_VALUE);
        try (MongoClient client = connect()) {
            MongoCollection<Document> customers = client.getDatabase(database).getCollection(collection);
            banner("Update Bank Account Data");

            // $elemMatch: one and the same account is of this type and below the amount.
            Bson poor = Filters.elemMatch("accounts",
                    Filters.and(Filters.eq("type", account.name()), Filters.lt("balance", number(below))));
            String title = account == Account.checking ? "Checking" : "Savings";
            int met = 0, updated = 0;
            try {
                // A cursor that nobody reads for 10 minutes is closed by the server: a batch is what we work off in one.
                for (Document customer : customers.find(poor).projection(Projections.include("_id"))
                        .limit(limit == null ? 0 : limit).batchSize((int) Math.min(1000, Math.max(1, 60 / delay)))) {
                    if (met++ > 0 && !pause(delay) || System.out.checkError()) break;  // Ctrl-C, or nobody reads what we print
                    System.out.println("Found " + title + " Account with under $" + below.toPlainString() + ".");

                    // The filter once more: if the account is no longer what it was when it was read, nothing is changed.
                    UpdateResult result = customers.updateOne(Filters.and(Filters.eq("_id", customer.get("_id")), poor),
                            Updates.inc("accounts.$.balance", number(deposit)));
                    if (result.getMatchedCount() == 0) {
                        System.out.println("No update, matched: 0. Somebody changed this account since it was found.");
                        continue;
                    }
                    updated++;
                    System.out.println("Successful update with matched: " + result.getMatchedCount()
                            + " and modified count: " + result.getModifiedCount());
                    System.out.println("Added $" + deposit.toPlainString() + " to customer acct with _id: " + customer.get("_id"));
                }
            } finally {
                banner("Customers updated: " + updated, elapsed());
            }
        }
        return 0;
    }

    /** As an int where it is one: adding a double would turn the int balance in the database into a double. */
    private static Number number(BigDecimal amount) {
        return amount.stripTrailingZeros().scale() <= 0 ? (Number) amount.intValueExact() : (Number) amount.doubleValue();
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
