import de.bwaldvogel.mongo.backend.aggregation.Aggregation;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.io.IOException;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.*;

/**
 * The open change streams: the {@code aggregate} that opens one, the {@code getMore} that reads on, and the end.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/operator/aggregation/changeStream/">$changeStream</a>
 */
final class Streams {

    private static final long DEFAULT_AWAIT_MILLIS = 1000;

    private final ChangeLog log;
    private final Storage storage;
    private final Admin admin;
    private final FailPoint failGetMore;
    private final Map<Long, ChangeStream> streams = new ConcurrentHashMap<>();
    private final AtomicInteger reading = new AtomicInteger();
    // Far from the library's own cursors, which count from 1.
    private final AtomicLong nextId = new AtomicLong(System.nanoTime() | 1L << 62);

    Streams(ChangeLog log, Storage storage, Admin admin, FailPoint failGetMore) {
        this.log = log;
        this.storage = storage;
        this.admin = admin;
        this.failGetMore = failGetMore;
    }

    /** Whether the command is one that opens a stream. */
    static boolean isOpening(Document command) {
        return command.get("pipeline") instanceof List<?> stages && !stages.isEmpty()
            && stages.get(0) instanceof Document first && first.containsKey("$changeStream");
    }

    /** Whether the cursor is that of a stream. */
    boolean has(Object id) {
        return id instanceof Long && streams.containsKey(id);
    }

    int count() {
        return streams.size();
    }

    /** How many are read or waited for at this moment. */
    int beingRead() {
        return reading.get();
    }

    /** Opens a stream, and answers with its first batch. */
    byte[] open(Connection connection, String database, Document command) throws InterruptedException {
        List<Document> stages = Aggregation.parse(command.get("pipeline"));
        if (!(stages.get(0).get("$changeStream") instanceof Document options)) {
            throw ErrorCodes.error(50808, "$changeStream stage expects a document as argument");
        }
        ErrorCodes.require(!admin.standalone, 40573, "The $changeStream stage is only supported on replica sets");
        ErrorCodes.require(admin.offersImages() || !options.containsKey("fullDocumentBeforeChange"), 40415,
            "BSON field '$changeStream.fullDocumentBeforeChange' is an unknown field.");
        boolean deployment = Boolean.TRUE.equals(options.get("allChangesForCluster"));
        String collection = command.get("aggregate") instanceof String name ? name : null;
        ErrorCodes.require(!deployment || collection == null && database.equals("admin"), 72,
            "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database");
        ErrorCodes.require(deployment || !Set.of("admin", "local", "config").contains(database), 73,
            "$changeStream may not be opened on the internal " + database + " database");
        ErrorCodes.require(collection == null || !collection.isEmpty() && !collection.startsWith("system."), 73,
            "$changeStream may not be opened on the internal " + database + "." + collection + " collection");
        ChangeStream stream = new ChangeStream(log, deployment ? null : database, collection, options,
            new Pipeline(stages.subList(1, stages.size())), this::lookup);
        Document cursor = (Document) command.get("cursor");
        Number batchSize = (Number) cursor.getOrDefault("batchSize", Reads.FIRST_BATCH);
        ChangeStream.Batch batch = stream.next(batchSize.intValue(), 0);
        long id = 0;
        if (batch.open()) {
            id = nextId.incrementAndGet();
            streams.put(id, stream);
            connection.cursors.add(id);
        }
        String target = collection == null ? "$cmd.aggregate" : collection;
        return reply("firstBatch", batch, id, database + "." + target);
    }

    /** Answers with the next batch of a stream, when there is an event or the time is up. */
    byte[] more(Connection connection, Document command) throws IOException, InterruptedException {
        long id = (Long) command.get("getMore");
        ChangeStream stream = streams.get(id);
        ErrorCodes.require(stream != null, 43, "cursor id " + id + " not found");
        connection.cursors.add(id);
        Number size = (Number) command.getOrDefault("batchSize", Integer.MAX_VALUE);
        Number millis = (Number) command.getOrDefault("maxTimeMS", DEFAULT_AWAIT_MILLIS);
        ChangeStream.Batch batch;
        reading.incrementAndGet();
        try {
            FailPoint.raise(failGetMore.enter(data -> true));
            batch = stream.next(size.intValue() == 0 ? Integer.MAX_VALUE : size.intValue(), millis.longValue());
        } catch (MongoServerError error) {
            kill(id);
            throw error;
        } finally {
            reading.decrementAndGet();
        }
        ErrorCodes.require(batch.open() || streams.remove(id) != null, 43, "cursor id " + id + " not found");
        return reply("nextBatch", batch, batch.open() ? id : 0,
            command.getOrDefault("$db", "admin") + "." + command.get("collection"));
    }

    private byte[] reply(String batchName, ChangeStream.Batch batch, long id, String namespace) {
        Document cursor = new Document("postBatchResumeToken", batch.token().toDocument())
            .append("id", id).append("ns", namespace);
        return Bson.write(batchName, batch.events(), cursor, admin.decorate(Admin.ok()));
    }

    private Document lookup(ChangeLog.Change change) {
        synchronized (storage) {
            LoggedCollection collection = storage.collection(change.database(), change.collection());
            return collection == null ? null : collection.get(change.id());
        }
    }

    /** Ends the stream of the cursor, and a getMore that waits on it; says whether there was one. */
    boolean kill(long id) {
        ChangeStream stream = streams.remove(id);
        if (stream == null) {
            return false;
        }
        stream.close();
        return true;
    }
}
