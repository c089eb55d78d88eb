import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.*;

import java.io.IOException;
import java.util.*;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

/**
 * Answers commands, or lets {@link Streams}, {@link Writes}, {@link Admin} and {@link Reads} do so.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/command/">Database Commands</a>
 */
final class Commands {

    private final Storage storage;
    private final Admin admin;
    private final Writes writes;
    private final Reads reads;
    private final Streams streams;
    private final boolean verbose;
    private final FailPoint failCommand = new FailPoint();
    private final FailPoint failGetMore = new FailPoint();
    private final Map<String, FailPoint> failPoints = Map.of("failCommand", failCommand,
        "failGetMoreAfterCursorCheckout", failGetMore, "onPrimaryTransactionalWrite", new FailPoint());
    private final AtomicInteger connections = new AtomicInteger();

    Commands(ChangeLog log, String release, boolean standalone, boolean verbose) {
        this.verbose = verbose;
        storage = new Storage(log);
        admin = new Admin(log, storage, release, standalone);
        writes = new Writes(log, storage, failPoints.get("onPrimaryTransactionalWrite"), admin.offersImages());
        reads = new Reads(storage);
        streams = new Streams(log, storage, admin, failGetMore);
    }

    void opened() {
        connections.incrementAndGet();
    }

    /** The connection has gone: so do its cursors. */
    void closed(Connection connection) {
        connections.decrementAndGet();
        synchronized (storage) {
            connection.cursors.forEach(this::kill);
        }
    }

    /**
     * Runs a command.
     *
     * @return the reply as BSON; an error is a reply like any other
     * @throws IOException when the connection is to be closed without one
     */
    byte[] answer(Connection connection, Document command) throws IOException, InterruptedException {
        String name = command.keySet().iterator().next();
        Document fault = failCommand.enter(data -> ((Collection<?>) data.get("failCommands")).contains(name)
            && Objects.equals(connection.appName, data.getOrDefault("appName", connection.appName)));
        boolean failed = fault != null && fault.containsKey("errorCode");
        // A server fails a getMore before it looks for the cursor, and so for what it is a cursor of.
        boolean ofStream = Streams.isOpening(command) || !failed && name.equals("getMore")
            && streams.has(command.get(name));
        try {
            FailPoint.raise(fault);
            checkConcerns(command, ofStream);
            return run(connection, name, command, fault);
        } catch (MongoServerException error) {
            return error(error, failed ? fault : null, ofStream, command.containsKey("txnNumber"));
        } catch (ClassCastException | NullPointerException | IllegalArgumentException wrongShape) {
            return unexpected(wrongShape, 9, name + ": a field is missing or of the wrong type");
        } catch (RuntimeException | StackOverflowError defect) {
            return unexpected(defect, 1, name + " failed in the sandbox: " + defect);
        }
    }

    private void checkConcerns(Document command, boolean ofStream) {
        if (command.containsKey("startTransaction") || Boolean.FALSE.equals(command.get("autocommit"))) {
            throw ErrorCodes.error(263, "Cannot run '" + command.keySet().iterator().next()
                + "' in a multi-document transaction: this sandbox has none.");
        }
        Object level = command.get("readConcern") instanceof Document concern ? concern.get("level") : null;
        if (level != null) {
            ErrorCodes.require(!ofStream || level.equals("majority"), 72, "Aggregation stage $changeStream cannot run "
                + "with a readConcern other than 'majority'. Current readConcern: " + level);
            ErrorCodes.require(Set.of("local", "available", "majority", "linearizable").contains(level), 72,
                "readConcern level " + level + " is not supported");
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

    private byte[] unexpected(Throwable cause, int code, String message) {
        if (verbose) {
            cause.printStackTrace();
        }
        return error(ErrorCodes.error(code, message), null, false, false);
    }

    private byte[] run(Connection connection, String name, Document command, Document fault)
        throws IOException, InterruptedException {
        String database = (String) command.getOrDefault("$db", "admin");
        Fields.check(name, command);
        if (name.equals("getMore")) {
            requireLong(command.get(name), "getMore.getMore");
        }
        if (name.equals("getMore") && streams.has(command.get(name))) {
            return streams.more(connection, command);
        }
        synchronized (storage) {
            // The library's answers may hold what it keeps: they are encoded before the next command may change it.
            if (name.equals("aggregate") && Streams.isOpening(command)) {
                return streams.open(connection, database, command);
            }
            return Bson.write(admin.decorate(reply(connection, database, name, command, fault)));
        }
    }

    private Document reply(Connection connection, String database, String name, Document command, Document fault)
        throws IOException, InterruptedException {
        Document late = name.equals("getMore") ? failGetMore.enter(data -> true) : null;
        if (late != null) {
            kill((Long) command.get(name));
            FailPoint.raise(late);
        }
        Document reply = switch (name) {
            case "configureFailPoint" -> {
                FailPoint point = failPoints.get(command.get(name));
                ErrorCodes.require(point != null, 2, "the fail points here are " + failPoints.keySet());
                yield point.configure(command);
            }
            case "serverStatus" -> status();
            case "killCursors" -> killCursors(command);
            default -> admin.run(connection, database, name, command);
        };
        if (reply == null) {
            reply = reads.run(connection, database, name, command);
        }
        if (reply != null) {
            return reply;
        }
        reply = writes.run(database, name, command);
        if (reply == null) {
            throw new NoSuchCommandException(name);
        }
        Document concern = writeConcernError(command, fault);
        if (concern != null) {
            label(reply.append("writeConcernError", concern), ((Number) concern.get("code")).intValue(), fault, false,
                command.containsKey("txnNumber"));
        }
        return reply.containsKey("n") ? admin.sign(reply) : reply;
    }

    private Document status() {
        Document status = storage.getServerStatus().append("version", admin.version());
        Document cursors = (Document) ((Document) ((Document) status.get("metrics")).get("cursor")).get("open");
        cursors.append("total", (Long) cursors.get("total") + streams.count())
            .append("pinned", (long) streams.beingRead());
        return status.append("connections",
            new Document("current", connections.get()).append("threaded", Thread.activeCount()));
    }

    private Document killCursors(Document command) {
        List<?> cursors = (List<?>) command.get("cursors");
        cursors.forEach(id -> requireLong(id, "killCursors.cursors." + cursors.indexOf(id)));
        var byFate = cursors.stream().map(Long.class::cast)
            .collect(Collectors.partitioningBy(this::kill));
        return new Document("cursorsKilled", byFate.get(true)).append("cursorsNotFound", byFate.get(false))
            .append("cursorsAlive", List.of()).append("cursorsUnknown", List.of()).append("ok", 1.0);
    }

    /** Ends the cursor, and says whether there was one. */
    private boolean kill(Long id) {
        return streams.kill(id) || storage.closeCursor(id);
    }

    private static void requireLong(Object id, String field) {
        ErrorCodes.require(id instanceof Long, 14,
            "BSON field '" + field + "' is the wrong type, expected type 'long'");
    }

    private byte[] error(MongoServerException error, Document fault, boolean ofStream, boolean retryable) {
        Document reply = new Document("ok", 0.0).appendAll(ErrorCodes.describe(error));
        int code = (Integer) reply.get("code");
        reply.put("codeName", error instanceof MongoServerError named ? named.getCodeName() : ErrorCodes.name(code));
        return Bson.write(admin.decorate(label(reply, code, fault, ofStream, retryable)));
    }

    /** With the labels that the fault asks for, or else with that of a server. */
    private static Document label(Document reply, int code, Document fault, boolean ofStream, boolean retryable) {
        String label = ErrorCodes.label(code, ofStream, retryable);
        Object labels = fault != null && fault.containsKey("errorLabels") ? fault.get("errorLabels")
            : label == null ? List.of() : List.of(label);
        return labels.equals(List.of()) ? reply : reply.append("errorLabels", labels);
    }
}
