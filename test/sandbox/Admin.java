import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.time.Instant;
import java.util.*;
import java.util.stream.Stream;

/** What clients ask of a server beside reading and writing: who it is, what it holds, how it fares. */
final class Admin {

    static final String SET_NAME = "rs0";
    /** The releases that the sandbox can say to be, and what each tells drivers, which go by the wire version. */
    static final Map<String, Integer> WIRE_VERSIONS = Map.of("4.4", 9, "5.0", 13, "6.0", 17);
    private static final ObjectId ELECTION = new ObjectId("7fffffff0000000000000001");

    private final ChangeLog log;
    private final Storage storage;
    private final String release;
    final boolean standalone;
    private volatile Document configuration;

    Admin(ChangeLog log, Storage storage, String release, boolean standalone) {
        this.log = log;
        this.storage = storage;
        this.release = release;
        this.standalone = standalone;
    }

    static Document ok() {
        return new Document("ok", 1.0);
    }

    /** The reply, or null when the command is none of these. */
    Document run(Connection connection, String database, String name, Document command) {
        return switch (name) {
            case "hello", "isMaster", "ismaster" -> hello(connection, name, command);
            case "ping", "endSessions", "refreshSessions", "killSessions", "killAllSessions" -> ok();
            case "buildInfo", "buildinfo" -> new Document("version", version())
                .append("versionArray", List.of(release.charAt(0) - '0', release.charAt(2) - '0', 0, 0))
                .append("gitVersion", "change-stream-demo sandbox")
                .append("modules", List.of()).append("bits", 64).append("debug", false)
                .append("maxBsonObjectSize", 16 * 1024 * 1024).append("ok", 1.0);
            case "connectionStatus" -> new Document("authInfo", new Document("authenticatedUsers", List.of())
                .append("authenticatedUserRoles", List.of())).append("ok", 1.0);
            case "whatsmyuri" -> new Document("you", connection.clientAddress).append("ok", 1.0);
            case "getParameter" -> parameter(command);
            case "listDatabases" -> listDatabases(command);
            case "listCollections" -> listCollections(database, command);
            case "replSetGetStatus" -> replicaSetStatus(connection);
            case "replSetInitiate" -> { // it is one from the start: the client's plan is only remembered
                configuration = (Document) command.get(name);
                yield ok();
            }
            case "replSetGetConfig" -> new Document("config", configuration).append("ok", 1.0);
            case "replSetStepUp" -> ok();
            case "saslStart", "authenticate" -> login(command);
            case "hostInfo", "getCmdLineOpts", "getLog" -> storage.command("admin", name, command);
            default -> null;
        };
    }

    /** Whether it keeps documents as they were before a change, as MongoDB does from 6.0. */
    boolean offersImages() {
        return release.equals("6.0");
    }

    String version() {
        return release + ".0";
    }

    /** With what a member of a replica set says in each reply: the time, signed with zeros, as there is no login. */
    Document decorate(Document reply) {
        Document clusterTime = new Document("clusterTime", log.clusterTime())
            .append("signature", new Document("hash", new BinData(new byte[20])).append("keyId", 0L));
        return standalone ? reply
            : reply.append("$clusterTime", clusterTime).append("operationTime", log.clusterTime());
    }

    /** PLAIN lets anybody in, so that what happens around a login can be tried; whatever knows passwords, nobody. */
    private static Document login(Document command) {
        if (!"PLAIN".equals(command.get("mechanism"))) throw ErrorCodes.error(18, "Authentication failed.");
        return new Document("conversationId", 1).append("done", true).append("payload", new BinData(new byte[0]))
            .append("ok", 1.0);
    }

    private Document hello(Connection connection, String name, Document command) {
        if (command.get("client") instanceof Document client && client.get("application") instanceof Document named) {
            connection.appName = named.get("name");
        }
        String primary = name.equals("hello") ? "isWritablePrimary" : "ismaster";
        Document reply = new Document(primary, true).append("helloOk", true);
        if (!standalone) {
            reply.append("hosts", List.of(connection.address)).append("setName", SET_NAME).append("setVersion", 1)
                .append("secondary", false).append("primary", connection.address).append("me", connection.address)
                .append("electionId", ELECTION)
                .append("lastWrite", new Document("opTime", opTime()).append("lastWriteDate", Instant.now())
                    .append("majorityOpTime", opTime()).append("majorityWriteDate", Instant.now()));
        }
        return reply.append("maxBsonObjectSize", 16 * 1024 * 1024).append("maxMessageSizeBytes", Wire.MAX_MESSAGE_BYTES)
            .append("maxWriteBatchSize", 100_000).append("localTime", Instant.now())
            .append("logicalSessionTimeoutMinutes", 30).append("connectionId", connection.id)
            .append("minWireVersion", 0).append("maxWireVersion", WIRE_VERSIONS.get(release)).append("readOnly", false)
            .append("ok", 1.0);
    }

    /** What a member of a replica set says with each write. */
    Document sign(Document write) {
        return standalone ? write : write.append("opTime", opTime()).append("electionId", ELECTION);
    }

    private Document opTime() {
        return new Document("ts", log.clusterTime()).append("t", 1L);
    }

    private Document listDatabases(Document command) {
        Document filter = (Document) command.getOrDefault("filter", new Document());
        boolean nameOnly = Boolean.TRUE.equals(command.get("nameOnly"));
        var names = Stream.concat(Stream.of("admin", "config", "local"), storage.databaseNames().stream());
        List<Document> databases = names.distinct().sorted().map(name -> new Document("name", name))
            .map(named -> nameOnly ? named : named.append("sizeOnDisk", 0L).append("empty", false))
            .filter(database -> Query.matches(database, filter)).toList();
        Document reply = new Document("databases", databases);
        return (nameOnly ? reply : reply.append("totalSize", 0L)).append("ok", 1.0);
    }

    private Document listCollections(String database, Document command) {
        Document filter = (Document) command.getOrDefault("filter", new Document());
        boolean nameOnly = Boolean.TRUE.equals(command.get("nameOnly"));
        List<Document> collections = storage.collectionNames(database).stream()
            .map(name -> describe(database, name, nameOnly)).filter(found -> Query.matches(found, filter)).toList();
        return new Document("cursor", new Document("id", 0L).append("ns", database + ".$cmd.listCollections")
            .append("firstBatch", collections)).append("ok", 1.0);
    }

    private Document describe(String database, String name, boolean nameOnly) {
        Document description = new Document("name", name).append("type", "collection");
        LoggedCollection collection = storage.collection(database, name);
        if (nameOnly || collection == null) {
            return description;
        }
        Document options = collection.images
            ? new Document("changeStreamPreAndPostImages", new Document("enabled", true)) : new Document();
        return description.append("options", options)
            .append("info", new Document("readOnly", false).append("uuid", collection.getUuid()))
            .append("idIndex", new Document("v", 2).append("key", new Document("_id", 1)).append("name", "_id_"));
    }

    private Document parameter(Document command) {
        ErrorCodes.require(command.containsKey("featureCompatibilityVersion"), 72, "no option found to get");
        return new Document("featureCompatibilityVersion", new Document("version", release)).append("ok", 1.0);
    }

    private Document replicaSetStatus(Connection connection) {
        ErrorCodes.require(!standalone, 76, "not running with --replSet");
        Document self = new Document("_id", 0).append("name", connection.address).append("health", 1.0)
            .append("state", 1).append("stateStr", "PRIMARY").append("optime", opTime()).append("self", true);
        return new Document("set", SET_NAME).append("date", Instant.now()).append("myState", 1).append("term", 1L)
            .append("syncSourceHost", "").append("syncSourceId", -1).append("heartbeatIntervalMillis", 2000L)
            .append("majorityVoteCount", 1).append("writeMajorityCount", 1)
            .append("votingMembersCount", 1).append("writableVotingMembersCount", 1)
            .append("members", List.of(self)).append("ok", 1.0);
    }
}
