import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.*;

import java.io.IOException;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.*;

/**
 * Answers commands: change streams and their cursors here, the rest by {@link Writes}, {@link Admin} and {@link Reads}.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/command/">Database Commands</a>
 */
final class Commands {

    private static final long DEFAULT_AWAIT_MILLIS = 1000;

    private final ChangeLog log;
    private final Storage storage;
    private final Admin admin;
    private final Writes writes;
    private final Reads reads;
    private final boolean standalone;
    private final boolean verbose;
    private final FailPoint failCommand = new FailPoint();
    private final FailPoint failGetMore = new FailPoint();
    private final FailPoint failWrite = new FailPoint();
    private final Map<String, FailPoint> failPoints = Map.of("failCommand", failCommand,
        "failGetMoreAfterCursorCheckout", failGetMore, "onPrimaryTransactionalWrite", failWrite);
    private final Map<Long, ChangeStream> streams = new ConcurrentHashMap<>();
    private final AtomicInteger connections = new AtomicInteger();
    private final AtomicInteger reading = new AtomicInteger();
    // Far from the library's own cursors, which count from 1.
    private final AtomicLong nextStream = new AtomicLong(System.nanoTime() | 1L << 62);

    Commands(ChangeLog log, boolean standalone, boolean verbose) {
        this.log = log;
        this.standalone = standalone;
        this.verbose = verbose;
        storage = new Storage(log);
        admin = new Admin(log, storage, standalone);
        writes = new Writes(log, storage, failWrite);
        reads = new Reads(storage);
    }

    void opened() {
        connections.incrementAndGet();
    }

    /** The connection has gone: so do its cursors. */
    void closed(Connection connection) {
        connections.decrementAndGet();
        kill(connection.cursors);
        synchronized (storage) {
            storage.closeCursors(List.copyOf(connection.cursors));
            storage.handleClose(connection.channel);
        }
        connection.channel.close();
    }

    /**
     * Runs a command.
     *
     * @return the reply as BSON; an error is a reply like any other
     * @throws IOException when the connection is to be closed without one
     */
    byte[] answer(Connection connection, Document command) throws IOException, InterruptedException {
        String name = command.keySet().iterator().next();
        boolean ofStream = isChangeStream(command) || name.equals("getMore") && command.get(name) instanceof Long id
            && streams.containsKey(id);
        boolean retryable = command.containsKey("txnNumber");
        try {
            Document fault = failCommand.enter(data -> ((Collection<?>) data.get("failCommands")).contains(name)
                && Objects.equals(connection.appName, data.getOrDefault("appName", connection.appName)));
            try {
                FailPoint.raise(fault);
            } catch (FailPoint.Fault early) {
                // Before a server looks for the cursor, and so for what it is a cursor of.
                ofStream = ofStream && !name.equals("getMore");
                throw early;
            }
            checkConcerns(command, ofStream);
            return run(connection, name, command, fault);
        } catch (MongoServerException error) {
            return error(error, ofStream, retryable);
        } catch (ClassCastException | NullPointerException | IllegalArgumentException wrongShape) {
            return error(unexpected(wrongShape, 9, name + ": a field is missing or of the wrong type"), false, false);
        } catch (RuntimeException | StackOverflowError defect) {
            return error(unexpected(defect, 1, name + " failed in the sandbox: " + defect), false, false);
        }
    }

    private void checkConcerns(Document command, boolean ofStream) {
        if (command.containsKey("startTransaction") || Boolean.FALSE.equals(command.get("autocommit"))) {
            throw ErrorCodes.error(263, "Cannot run '"
                + command.keySet().iterator().next() + "' in a multi-document transaction: this sandbox has none.");
        }
        Object level = command.get("readConcern") instanceof Document concern ? concern.get("level") : null;
        if (ofStream && level != null && !level.equals("majority")) {
            throw ErrorCodes.error(72, "Aggregation stage $changeStream cannot run with a readConcern "
                + "other than 'majority'. Current readConcern: " + level);
        }
        if (level != null && !Set.of("local", "available", "majority", "linearizable").contains(level)) {
            throw ErrorCodes.error(72, "readConcern level " + level + " is not supported");
        }
    }

    /** What a write that is done could not be waited for; null for nothing. */
    private static Document writeConcernError(Document command, Document fault) {
        if (fault != null && fault.get("writeConcernError") instanceof Document error) {
            return error;
        }
        Object w = command.get("writeConcern") instanceof Document concern ? concern.getOrDefault("w", 1) : 1;
        if (w instanceof Number nodes) {
            return nodes.intValue() <= 1 ? null
                : new Document("code", 100).append("codeName", "UnsatisfiableWriteConcern")
                .append("errmsg", "Not enough data-bearing nodes");
        }
        return w.equals("majority") ? null : new Document("code", 79).append("codeName", "UnknownReplWriteConcern")
            .append("errmsg", "No write concern mode named '" + w + "' found in replica set configuration");
    }

    private MongoServerError unexpected(Throwable cause, int code, String message) {
        if (verbose) {
            cause.printStackTrace();
        }
        return ErrorCodes.error(code, message);
    }

    private byte[] run(Connection connection, String name, Document command, Document fault)
        throws IOException, InterruptedException {
        String database = (String) command.getOrDefault("$db", "admin");
        Fields.check(name, command);
        ChangeStream stream = name.equals("getMore") ? streams.get(command.get(name)) : null;
        if (stream != null) {
            return more(connection, (Long) command.get(name), stream, command);
        }
        synchronized (storage) {
            // The library's answers may hold what it keeps: they are encoded before the next command may change it.
            if (name.equals("aggregate") && isChangeStream(command)) {
                return open(connection, database, command);
            }
            return Wire.encode(decorate(reply(connection, database, name, command, fault)));
        }
    }

    private Document reply(Connection connection, String database, String name, Document command, Document fault)
        throws IOException, InterruptedException {
        switch (name) {
            case "configureFailPoint" -> {
                FailPoint point = failPoints.get(command.get(name));
                if (point == null) {
                    throw ErrorCodes.error(2, "the fail points here are " + failPoints.keySet());
                }
                return point.configure(command);
            }
            case "serverStatus" -> {
                return status();
            }
            case "killCursors" -> {
                return killCursors(connection, database, command);
            }
            case "getMore" -> {
                Document late = failGetMore.enter(data -> true);
                if (late != null) {
                    storage.closeCursors(List.of((Long) command.get(name)));
                    FailPoint.raise(late);
                }
            }
            default -> { }
        }
        Document reply = writes.run(connection, database, name, command);
        if (reply != null) {
            Document concern = writeConcernError(command, fault);
            if (concern != null) {
                label(reply.append("writeConcernError", concern), ((Number) concern.get("code")).intValue(),
                    fault == null ? null : (List<?>) fault.get("errorLabels"), false, command.containsKey("txnNumber"));
            }
            return reply.containsKey("n") ? admin.sign(reply) : reply;
        }
        reply = admin.run(connection, database, name, command);
        if (reply == null) {
            reply = reads.run(connection, database, name, command);
        }
        if (reply == null) {
            throw new NoSuchCommandException(name);
        }
        return reply;
    }

    private static boolean isChangeStream(Document command) {
        return command.get("pipeline") instanceof List<?> stages && !stages.isEmpty()
            && stages.get(0) instanceof Document first && first.containsKey("$changeStream");
    }

    private byte[] open(Connection connection, String database, Document command) throws InterruptedException {
        List<?> stages = (List<?>) command.get("pipeline");
        if (!(((Document) stages.get(0)).get("$changeStream") instanceof Document options)) {
            throw ErrorCodes.error(50808, "$changeStream stage expects a document as argument");
        }
        if (standalone) {
            throw ErrorCodes.error(40573, "The $changeStream stage is only supported on replica sets");
        }
        boolean deployment = Boolean.TRUE.equals(options.get("allChangesForCluster"));
        String collection = command.get("aggregate") instanceof String name ? name : null;
        if (deployment && (collection != null || !database.equals("admin"))) {
            throw ErrorCodes.error(72,
                "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database");
        }
        if (!deployment && Set.of("admin", "local", "config").contains(database)) {
            throw ErrorCodes.error(73, "$changeStream may not be opened on the internal " + database + " database");
        }
        if (collection != null && (collection.isEmpty() || collection.startsWith("system."))) {
            throw ErrorCodes.error(73,
                "$changeStream may not be opened on the internal " + database + "." + collection + " collection");
        }
        ChangeStream stream = new ChangeStream(log, deployment ? null : database, collection, options,
            new Pipeline(stages.subList(1, stages.size())), this::lookup);
        Document cursor = (Document) command.get("cursor");
        Number batchSize = (Number) cursor.getOrDefault("batchSize", Reads.FIRST_BATCH);
        ChangeStream.Batch batch = stream.next(batchSize.intValue(), 0);
        long id = 0;
        if (batch.open()) {
            id = nextStream.incrementAndGet();
            streams.put(id, stream);
            connection.cursors.add(id);
        }
        return cursorReply("firstBatch", batch, id, database + "."
            + (collection == null ? "$cmd.aggregate" : collection));
    }

    private byte[] more(Connection connection, long id, ChangeStream stream, Document command)
        throws IOException, InterruptedException {
        connection.cursors.add(id);
        Number size = (Number) command.getOrDefault("batchSize", Integer.MAX_VALUE);
        Number millis = (Number) command.getOrDefault("maxTimeMS", DEFAULT_AWAIT_MILLIS);
        ChangeStream.Batch batch;
        reading.incrementAndGet();
        try {
            FailPoint.raise(failGetMore.enter(data -> true));
            batch = stream.next(size.intValue() == 0 ? Integer.MAX_VALUE : size.intValue(), millis.longValue());
        } catch (MongoServerError error) {
            kill(Set.of(id));
            throw error;
        } finally {
            reading.decrementAndGet();
        }
        if (!batch.open() && streams.remove(id) == null) {
            throw ErrorCodes.error(43, "cursor id " + id + " not found");
        }
        return cursorReply("nextBatch", batch, batch.open() ? id : 0,
            command.getOrDefault("$db", "admin") + "." + command.get("collection"));
    }

    private byte[] cursorReply(String batchName, ChangeStream.Batch batch, long id, String namespace) {
        Document cursor = new Document();
        if (batch.token() != null) {
            cursor.put("postBatchResumeToken", batch.token().toDocument());
        }
        cursor.append("id", id).append("ns", namespace);
        return Wire.encode(batchName, batch.events(), cursor, decorate(Admin.ok()));
    }

    private Document lookup(ChangeLog.Change change) {
        synchronized (storage) {
            LoggedCollection collection = storage.collection(change.database(), change.collection());
            return collection == null ? null : collection.get(change.id());
        }
    }

    private Document status() {
        Document status = storage.getServerStatus().append("version", Admin.VERSION);
        Document cursors = (Document) ((Document) ((Document) status.get("metrics")).get("cursor")).get("open");
        cursors.append("total", (Long) cursors.get("total") + streams.size()).append("pinned", (long) reading.get());
        return status.append("connections",
            new Document("current", connections.get()).append("threaded", Thread.activeCount()));
    }

    private Document killCursors(Connection connection, String database, Document command) {
        List<Object> killed = new ArrayList<>();
        List<Object> others = new ArrayList<>();
        for (Object cursor : (List<?>) command.get("cursors")) {
            Long id = ((Number) cursor).longValue();
            (kill(Set.of(id)) ? killed : others).add(id);
        }
        Document rest = storage.handleCommand(connection.channel, database, "killCursors",
            new Document("killCursors", command.get("killCursors")).append("cursors", others));
        killed.addAll((List<?>) rest.get("cursorsKilled"));
        return new Document("cursorsKilled", killed).append("cursorsNotFound", rest.get("cursorsNotFound"))
            .append("cursorsAlive", List.of()).append("cursorsUnknown", List.of()).append("ok", 1.0);
    }

    private boolean kill(Set<Long> ids) {
        boolean any = false;
        for (Long id : ids) {
            ChangeStream stream = streams.remove(id);
            if (stream != null) {
                stream.close();
                any = true;
            }
        }
        return any;
    }

    private Document decorate(Document reply) {
        return standalone ? reply
            : reply.append("$clusterTime", admin.clusterTime()).append("operationTime", log.clusterTime());
    }

    private byte[] error(MongoServerException error, boolean ofStream, boolean retryable) {
        int code = error instanceof MongoServerError numbered ? numbered.getCode() : 8;
        String codeName = error instanceof MongoServerError named && named.getCodeName() != null
            ? named.getCodeName() : ErrorCodes.name(code);
        Document reply = new Document("ok", 0.0).append("errmsg", error.getMessageWithoutErrorCode())
            .append("code", code).append("codeName", codeName);
        if (error instanceof DuplicateKey duplicate) {
            reply.append("keyPattern", duplicate.pattern).append("keyValue", duplicate.value);
        }
        return Wire.encode(decorate(label(reply, code, error instanceof FailPoint.Fault fault ? fault.labels : null,
            ofStream, retryable)));
    }

    /** With the labels that were asked for, or else with that of a server. */
    private static Document label(Document reply, int code, List<?> askedFor, boolean ofStream, boolean retryable) {
        String label = ErrorCodes.label(code, ofStream, retryable);
        List<?> labels = askedFor != null ? askedFor : label == null ? List.of() : List.of(label);
        return labels.isEmpty() ? reply : reply.append("errorLabels", labels);
    }
}
