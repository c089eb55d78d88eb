///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS de.flapdoodle.embed:de.flapdoodle.embed.mongo:4.24.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.MongoCommandException;
import com.mongodb.client.*;
import de.flapdoodle.embed.mongo.distribution.*;
import de.flapdoodle.embed.mongo.transitions.Mongod;
import de.flapdoodle.embed.process.archives.ExtractedFileSet;
import de.flapdoodle.embed.process.types.Archive;
import de.flapdoodle.reverse.StateID;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.bson.Document;
import picocli.CommandLine;
import picocli.CommandLine.*;

/** A real MongoDB for who has none: a replica set on this machine until Ctrl-C. */
@Command(name = "mongod", mixinStandardHelpOptions = true, version = "mongod 1.0", sortOptions = false,
        description = "Starts a real MongoDB, a replica set on 127.0.0.1, until Ctrl-C; fetches it if need be."
                + "%nExample: jbang mongod --nodes 3",
        footer = "Exit codes: 1 failed, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM.")
class mongod implements Callable<Integer> {

    @Option(names = "--nodes", defaultValue = "1", description = "From 1 to 7. Default: 1.")
    int nodes;
    @Option(names = "--port", defaultValue = "27017",
            description = "Of the first node; the others take the next ones. 0: free ones. Default: 27017.")
    int port;
    @Option(names = "--release",
            description = "6.0, 7.0, 8.0 or one like 8.0.17. Default: the mongod on PATH, or else 8.0.")
    String release;
    @Option(names = "--bin", paramLabel = "PATH", description = "Run this mongod; fetch none.")
    String bin;
    @Option(names = "--mirror", paramLabel = "URL", description = "Fetch from here, not from mongodb.org.")
    String mirror;

    final Map<Integer, Process> set = new TreeMap<>();
    volatile boolean ready, ending;
    Path data;

    public static void main(String... args) {
        System.exit(new CommandLine(new mongod())
                .setParameterExceptionHandler((e, all) -> fail(2, e.getMessage()))
                .setExecutionExceptionHandler((e, all, parsed) -> fail(1, e.getMessage())).execute(args));
    }

    static int fail(int exitCode, String message) {
        System.err.println("mongod: " + message);
        return exitCode;
    }

    @Override
    public Integer call() throws Exception {
        if (nodes < 1 || nodes > 7) return fail(2, "--nodes must be from 1 to 7");
        Set<Integer> ports = new TreeSet<>();
        while (ports.size() < nodes) ports.add(free(port == 0 ? 0 : port + ports.size()));
        List<String> hosts = ports.stream().map(each -> "127.0.0.1:" + each).toList();
        String program = program();
        data = Files.createTempDirectory("mongod-");
        Runtime.getRuntime().addShutdownHook(new Thread(this::end));
        for (int each : ports) start(program, each);
        List<Document> answers = hosts.stream().map(host -> ask(host, new Document("buildInfo", 1))).toList();
        System.out.println("MongoDB " + answers.get(0).get("version") + ", " + program);
        set.forEach((at, node) -> System.out.printf("mongod on port %d, process id %d%n", at, node.pid()));
        initiate(hosts);
        System.out.println("mongodb://" + String.join(",", hosts) + "/?replicaSet=rs0\nready");
        ready = true;
        Thread.currentThread().join();  // for ever
        return 0;
    }

    /** Asked for first, as who answers on a port in use would be taken for ours. */
    static int free(int port) throws IOException {
        try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getByName("127.0.0.1"))) {
            return socket.getLocalPort();
        } catch (BindException e) {
            throw new IOException("port " + port + " is in use: choose another with --port, or 0 for a free one");
        }
    }

    String program() throws IOException {
        if (bin != null) return bin;
        for (String folder : System.getenv("PATH").split(File.pathSeparator)) {
            Path there = Path.of(folder, "mongod");
            if (release == null && Files.isExecutable(there)) return there.toString();
        }
        return fetch(release == null ? "8.0" : release);
    }

    String fetch(String wanted) throws IOException {
        Enum<?> version = Stream.<Enum<?>[]>of(Version.Main.values(), Version.values()).flatMap(Stream::of)
                .filter(known -> known.name().equals("V" + wanted.replace('.', '_'))).findFirst()
                .orElseThrow(() -> new IOException("--release is one like 6.0, 7.0, 8.0, not " + wanted));
        if (mirror != null) System.setProperty("de.flapdoodle.embed.mongo.baseUrl", mirror);
        var walker = Mongod.instance().transitions((IFeatureAwareVersion) version).walker();
        Path archive = null;
        try (var fetched = walker.initState(StateID.of(Archive.class))) {
            archive = fetched.current().value();
            try (var unpacked = fetched.initState(StateID.of(ExtractedFileSet.class))) {
                return unpacked.current().executable().toString();  // which stays
            }
        } catch (RuntimeException e) {
            if (archive != null) Files.delete(archive);  // or it would be taken for good the next time
            Throwable cause = e;  // the innermost: the messages around it hold the whole environment
            while (cause.getCause() != null) cause = cause.getCause();
            throw new IOException("no MongoDB " + wanted + " to be had: "
                    + cause.toString().lines().findFirst().get().replaceAll("//.*@", "//***@")
                    + "; else: --bin, --mirror, `jbang sandbox`, or a free cluster on Atlas");
        }
    }

    synchronized void start(String program, int port) throws IOException {
        if (ending) return;
        Path folder = Files.createDirectory(data.resolve("" + port));
        Path log = data.resolve(port + ".log");
        ProcessBuilder builder = new ProcessBuilder(program, "--replSet", "rs0", "--port", "" + port,
                "--bind_ip", "127.0.0.1", "--nounixsocket", "--dbpath", folder.toString(),
                "--wiredTigerCacheSizeGB", "0.25",
                "--journalCommitInterval", "2");  // or each majority write on one node takes 100 ms
        builder.environment().put("GLIBC_TUNABLES", "glibc.pthread.rseq=1");  // or 8.0 crashes on Linux 7
        Process node = builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
        set.put(port, node);
        node.onExit().thenRun(() -> ended(port, node.exitValue(), log));
    }

    void ended(int port, int code, Path log) {
        if (ending) return;
        try (Stream<String> lines = Files.lines(log)) {  // of interest: its first error, or else its last line
            String said = lines.reduce("", (kept, line) -> kept.contains("\"s\":\"E\"") ? kept : line);
            fail(1, "the node on port " + port + " has ended, exit code " + code + ": " + said);
        } catch (IOException e) {
            fail(1, "no log of the node on port " + port + ": " + e.getMessage());
        }
        if (!ready || set.values().stream().noneMatch(Process::isAlive)) System.exit(1);
    }

    static Document ask(String host, Document command) {
        String uri = "mongodb://" + host + "/?directConnection=true&serverSelectionTimeoutMS=60000";
        try (MongoClient client = MongoClients.create(uri)) {
            return client.getDatabase("admin").runCommand(command);
        }
    }

    /** Returns when there is a primary, and the others follow it. */
    static void initiate(List<String> hosts) throws InterruptedException {
        List<Document> members = hosts.stream()
                .map(host -> new Document("_id", hosts.indexOf(host)).append("host", host)).toList();
        Document set = new Document("_id", "rs0").append("members", members);
        ask(hosts.get(0), new Document("replSetInitiate", set));
        List<Object> states = List.of();
        while (!states.contains(1) || !List.of(1, 2).containsAll(states)) {  // 1 primary, 2 secondary
            try {
                ask(hosts.get(0), new Document("replSetStepUp", 1));  // or nobody stands for ten seconds
            } catch (MongoCommandException notYet) {
                Thread.sleep(100);
            }
            Document status = ask(hosts.get(0), new Document("replSetGetStatus", 1));
            states = status.getList("members", Document.class).stream().map(one -> one.get("state")).toList();
        }
    }

    /** Kills them, as nobody needs what they would still write. */
    synchronized void end() {
        ending = true;
        set.values().forEach(Process::destroyForcibly);
        set.values().forEach(node -> node.onExit().join());
        try (Stream<Path> files = Files.walk(data)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        } catch (IOException e) {
            fail(1, data + " is still there: " + e.getMessage());
        }
    }
}
