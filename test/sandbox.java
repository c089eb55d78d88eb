///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS de.bwaldvogel:mongo-java-server:1.47.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m
//SOURCES sandbox/Admin.java
//SOURCES sandbox/Bson.java
//SOURCES sandbox/ChangeLog.java
//SOURCES sandbox/ChangeStream.java
//SOURCES sandbox/Commands.java
//SOURCES sandbox/Connection.java
//SOURCES sandbox/DuplicateKey.java
//SOURCES sandbox/ErrorCodes.java
//SOURCES sandbox/Expressions.java
//SOURCES sandbox/FailPoint.java
//SOURCES sandbox/Fields.java
//SOURCES sandbox/IdIndex.java
//SOURCES sandbox/LoggedCollection.java
//SOURCES sandbox/Pipeline.java
//SOURCES sandbox/Projection.java
//SOURCES sandbox/Query.java
//SOURCES sandbox/Reads.java
//SOURCES sandbox/ResumeToken.java
//SOURCES sandbox/Storage.java
//SOURCES sandbox/Streams.java
//SOURCES sandbox/UpdateDescription.java
//SOURCES sandbox/Wire.java
//SOURCES sandbox/Writes.java

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Model.CommandSpec;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;

/**
 * An in-memory MongoDB for this demo: a "replica set" of one that clients connect to on loopback, with change streams
 * as a real server answers them. Databases, queries and updates are
 * <a href="https://github.com/bwaldvogel/mongo-java-server">mongo-java-server</a>'s; the change streams are ours.
 */
@Command(name = "sandbox", mixinStandardHelpOptions = true, version = "sandbox 1.0", sortOptions = false,
    description = {
        "Starts an in-memory MongoDB, a replica set of one with change streams, on 127.0.0.1 until Ctrl-C.",
        "What it is not: it keeps nothing when it ends, asks for no password, knows no transactions, and is for "
            + "nothing but this demo and its tests."},
    footer = {"", "Example: jbang sandbox --port 27018", "",
        "Faults for tests, by a command as MongoDB's own tests make them (on the admin database):",
        "  {configureFailPoint: \"failCommand\", mode: {times: 2}, "
            + "data: {failCommands: [\"getMore\"], errorCode: 189}}",
        "  mode: {times: N}, {skip: N}, \"alwaysOn\" or \"off\"; data: errorCode, errorLabels, closeConnection, "
            + "blockConnection with blockTimeMS, writeConcernError, appName.",
        "  As a server's own errors, labelled: failGetMoreAfterCursorCheckout {errorCode}. A write that is done and "
            + "not answered: onPrimaryTransactionalWrite.", "",
        "Exit codes: 1 failed, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM."})
class sandbox implements Callable<Integer> {

    @Spec
    CommandSpec spec;

    @Option(names = "--port", paramLabel = "PORT", defaultValue = "27017",
        description = "Port on 127.0.0.1; 0 picks a free one. Default: ${DEFAULT-VALUE}.")
    int port;

    @Option(names = "--oplog-size", paramLabel = "EVENTS", defaultValue = "100000",
        description = "How many changes are kept for streams that resume. Default: ${DEFAULT-VALUE}.")
    int oplogSize;

    @Option(names = "--standalone",
        description = "Be a standalone server instead, which has no change streams: to see what that looks like.")
    boolean standalone;

    @Option(names = "--like", paramLabel = "RELEASE", defaultValue = "6.0",
        description = "Say to be MongoDB 4.4, 5.0 or 6.0, and have no pre-images before 6.0. Default: 6.0.")
    String release;

    @Option(names = "--verbose", description = "Show the stack trace of a command that fails unexpectedly.")
    boolean verbose;

    public static void main(String... args) {
        System.exit(new CommandLine(new sandbox()).execute(args));
    }

    @Override
    public Integer call() throws InterruptedException {
        if (port < 0 || port > 65535) {
            throw new ParameterException(spec.commandLine(), "--port must be from 0 to 65535");
        }
        if (oplogSize < 1) {
            throw new ParameterException(spec.commandLine(), "--oplog-size must be at least 1");
        }
        if (!Admin.WIRE_VERSIONS.containsKey(release)) {
            throw new ParameterException(spec.commandLine(), "--like must be 4.4, 5.0 or 6.0");
        }
        try (Wire wire = new Wire(port, new Commands(new ChangeLog(oplogSize), release, standalone, verbose))) {
            System.out.println("In-memory sandbox, not a real MongoDB: nothing is kept when it ends.");
            System.out.println("mongodb://127.0.0.1:" + wire.port() + "/?"
                + (standalone ? "directConnection=true" : "replicaSet=" + Admin.SET_NAME));
            System.out.println("ready");
            CountDownLatch untilSignal = new CountDownLatch(1);
            untilSignal.await();
            return 0;
        } catch (IOException e) {
            System.err.println("sandbox: port " + port + " cannot be taken (" + e.getMessage()
                + "); end what listens there, or choose another with --port, or any free one with --port 0");
            return 1;
        }
    }
}
