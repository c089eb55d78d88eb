///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS de.flapdoodle.embed:de.flapdoodle.embed.mongo:4.24.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

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
import java.util.stream.Stream;
import org.bson.Document;
import picocli.CommandLine;
import picocli.CommandLine.*;

@Command(name = "mongod", mixinStandardHelpOptions = true, version = "mongod 1.0", sortOptions = false,
        description = "Starts a real MongoDB, a replica set on this machine, until Ctrl-C.",
        footer = "Exit codes: 1 failed, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM.")
class mongod implements java.util.concurrent.Callable<Integer> {
    @Option(names = "--nodes", defaultValue = "1", description = "From 1 to 7. Default: 1.") int nodes;
    @Option(names = "--port", defaultValue = "27017",
            description = "The first node's; others take the next. 0: free ones. Default: 27017.") int port;
    @Option(names = "--release", description = "6.0, 7.0, 8.0. Default: one on PATH, or 8.0.") String release;
    @Option(names = "--bin", paramLabel = "PATH", description = "Run this mongod, fetch none.") String bin;
    @Option(names = "--mirror", paramLabel = "URL", description = "Fetch it from here.") String mirror;

    final Map<Integer, Process> set = new TreeMap<>();
    volatile boolean ready, ending;

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
        if (mirror != null && mirror.contains("@")) return fail(2, "--mirror takes no user and password");
        Set<Integer> ports = new TreeSet<>();
        while (ports.size() < nodes) ports.add(free(port == 0 ? 0 : port + ports.size()));
        List<String> hosts = ports.stream().map(each -> "127.0.0.1:" + each).toList();
        String program = program();
        Path data = Files.createTempDirectory("mongod-");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> end(data)));
        for (int each : ports) start(program, each, data);
        List<Document> answers = hosts.stream().map(host -> ask(host, new Document("buildInfo", 1))).toList();
        System.out.println("MongoDB " + answers.get(0).get("version") + ", " + program);
        set.forEach((at, node) -> System.out.printf("mongod on port %d, process id %d%n", at, node.pid()));
        initiate(hosts.get(0), hosts);
        System.out.println("mongodb://" + String.join(",", hosts) + "/?replicaSet=rs0\nready");
        ready = true;
        while (true) Thread.sleep(Long.MAX_VALUE);
    }

    /** Asked for first, as who answers on a port in use would be taken for ours. */
    static int free(int port) throws IOException {
        try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getByName("127.0.0.1"))) {
            return socket.getLocalPort();
        } catch (BindException e) {
            throw new IOException("port " + port + " is in use: take another by --port, or 0 for a free one");
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
        if (mirror != null) System.setProperty("de.flapdoodle.embed.mongo.baseUrl", mirror);
        Path archive = null;
        try {
            Version.Main version = Version.Main.valueOf("V" + wanted.replace('.', '_'));
            var walker = Mongod.instance().transitions(version).walker();
            try (var tgz = walker.initState(StateID.of(Archive.class))) {
                archive = tgz.current().value();
                return tgz.initState(StateID.of(ExtractedFileSet.class)).current().executable().toString();
            }
        } catch (RuntimeException e) {
            if (archive != null) Files.delete(archive);  // or it would be taken for good the next time
            Throwable cause = e;  // the innermost: the messages around it hold the whole environment
            while (cause.getCause() != null) cause = cause.getCause();
            throw new IOException("no MongoDB " + wanted + " (" + cause.toString().lines().findFirst().get()
                    + "). Other ways: --bin, --mirror, `jbang sandbox`, or a free cluster on Atlas");
        }
    }

    synchronized void start(String program, int port, Path data) throws IOException {
        if (ending) return;
        Path folder = Files.createDirectory(data.resolve("" + port));
        ProcessBuilder builder = new ProcessBuilder(program, "--replSet", "rs0", "--port", "" + port,
                "--bind_ip", "127.0.0.1", "--nounixsocket", "--dbpath", folder.toString(),
                "--wiredTigerCacheSizeGB", "0.25", "--journalCommitInterval", "2");  // else 100 ms a write
        builder.environment().put("GLIBC_TUNABLES", "glibc.pthread.rseq=1");  // or 8.0 crashes on Linux 7
        Process node = builder.redirectErrorStream(true).start();
        set.put(port, node);
        new Thread(() -> listen(port, node)).start();
    }

    /** Reads a node's log until it ends: of interest is its first error, or else its last line. */
    void listen(int port, Process node) {
        String said = node.inputReader().lines()
                .reduce("", (kept, line) -> kept.contains("\"s\":\"E\"") ? kept : line);
        int code = node.onExit().join().exitValue();
        synchronized (set) {  // of several that fail to start, one is enough
            if (ending) return;
            ending = !ready;
            fail(1, "the node on port " + port + " has ended, exit code " + code + ": " + said);
        }
        if (!ready || set.values().stream().noneMatch(Process::isAlive)) System.exit(1);
    }

    static void initiate(String first, List<String> hosts) throws InterruptedException {
        List<Document> members = new ArrayList<>();
        for (String host : hosts) members.add(new Document("_id", members.size()).append("host", host));
        ask(first, new Document("replSetInitiate", new Document("_id", "rs0").append("members", members)));
        while (!ask(first, new Document("isMaster", 1)).getBoolean("ismaster")) {
            try {
                ask(first, new Document("replSetStepUp", 1));  // or nobody stands for ten seconds
            } catch (RuntimeException notYet) {
                Thread.sleep(100);
            }
        }
    }

    static Document ask(String host, Document command) {
        try (MongoClient client = MongoClients.create("mongodb://" + host + "/?directConnection=true")) {
            return client.getDatabase("admin").runCommand(command);
        }
    }

    /** Kills them, as nobody needs what they would still write. */
    synchronized void end(Path data) {
        ending = true;
        set.values().forEach(node -> node.destroyForcibly().onExit().join());
        try (Stream<Path> files = Files.walk(data)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        } catch (IOException e) {
            fail(1, data + " is still there: " + e.getMessage());
        }
    }
}
