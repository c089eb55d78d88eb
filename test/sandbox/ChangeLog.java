import de.bwaldvogel.mongo.bson.BsonTimestamp;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The last changes of all databases, in order: what the oplog is to a replica set. Bounded: the oldest change leaves
 * when one too many comes. All streams read the same entries, which nobody changes once they are in. Kept as BSON, so
 * that a million are small.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/core/replica-set-oplog/">Replica set oplog</a>
 */
final class ChangeLog {

    /**
     * One change.
     *
     * @param time       cluster time, the only one of its kind: seconds in the upper half, a counter in the lower
     * @param type       operation type, as in the event
     * @param collection null for dropDatabase
     * @param to         of a rename: the new collection's {@code [database, collection]}; else null
     * @param bytes      the event as all streams share it that ask for no images, as BSON
     * @param shared     that event, as long as a stream looks at it
     * @param before     the document before the change (pre-image), or null where none is kept
     * @param after      the document after it (post-image), likewise
     */
    record Entry(long time, Instant wallTime, String type, String database, String collection, List<String> to,
                 byte[] bytes, AtomicReference<Reference<Document>> shared, Document before, Document after) {

        /** The event, which nobody may change: streams that keep up with the changes look at the same one. */
        Document event() {
            Document event = shared.get().get();
            if (event == null) {
                event = Bson.read(bytes);
                shared.set(new WeakReference<>(event));
            }
            return event;
        }

        /** The fields that every event has, also an invalidate that follows this change. */
        static Document frame(long time, Instant wallTime, ResumeToken.Kind kind, String type) {
            ResumeToken token = new ResumeToken(time, kind);
            return new Document("_id", token.toDocument())
                .append("operationType", type)
                .append("clusterTime", token.clusterTime())
                .append("wallTime", wallTime);
        }
    }

    private final int capacity;
    private final NavigableMap<Long, Entry> entries = new TreeMap<>();
    private long lastTime = now() + 1;
    private long forgottenTime;

    ChangeLog(int capacity) {
        this.capacity = capacity;
    }

    private static long now() {
        return Instant.now().getEpochSecond() << 32;
    }

    /**
     * Adds a change and wakes the streams that wait.
     *
     * @param body the event's fields beyond time, type and namespace
     */
    synchronized void add(String type, String database, String collection, List<String> to, Document body,
                          Document before, Document after) {
        lastTime = Math.max(lastTime + 1, now() + 1);
        Instant wallTime = Instant.now();
        Document namespace = new Document("db", database);
        namespace.putIfNotNull("coll", collection);
        Document event = Entry.frame(lastTime, wallTime, ResumeToken.Kind.EVENT, type);
        event.putIfNotNull("fullDocument", body.get("fullDocument")); // a server has it before the namespace
        event.append("ns", namespace).appendAll(body);
        entries.put(lastTime, new Entry(lastTime, wallTime, type, database, collection, to, Wire.encode(event),
            new AtomicReference<>(new WeakReference<>(event)), before, after));
        if (entries.size() > capacity) {
            forgottenTime = entries.pollFirstEntry().getKey();
        }
        notifyAll();
    }

    /** The cluster time of the newest change. */
    synchronized long lastTime() {
        return lastTime;
    }

    synchronized BsonTimestamp clusterTime() {
        return new BsonTimestamp(lastTime);
    }

    synchronized Entry at(long time) {
        return entries.get(time);
    }

    /** Whether a change at or after this time may have left the log. */
    synchronized boolean isLost(long time) {
        return forgottenTime > 0 && time < entries.firstKey();
    }

    /** The cluster time of the oldest change there is, or of the newest there was. */
    synchronized long oldestTime() {
        return entries.isEmpty() ? lastTime : entries.firstKey();
    }

    /**
     * At most {@code count} changes after this time.
     *
     * @throws MongoServerError 136 when one of them has left the log: the reader was too slow
     */
    synchronized List<Entry> after(long time, int count) {
        if (forgottenTime > time) {
            throw new MongoServerError(136, "CappedPositionLost",
                "CollectionScan died due to position in capped collection being deleted");
        }
        List<Entry> page = new ArrayList<>();
        Iterator<Entry> later = entries.tailMap(time, false).values().iterator();
        while (later.hasNext() && page.size() < count) {
            page.add(later.next());
        }
        return page;
    }

    /** Waits until there is a change after this time, or until the time is up. */
    synchronized void await(long time, long millis) throws InterruptedException {
        long end = System.nanoTime() + millis * 1_000_000;
        for (long left = millis; left > 0 && lastTime <= time; left = (end - System.nanoTime()) / 1_000_000) {
            wait(left);
        }
    }

    /** Lets all that wait look again, such as whether their cursor was killed. */
    synchronized void wake() {
        notifyAll();
    }
}
