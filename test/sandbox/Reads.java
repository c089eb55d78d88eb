import de.bwaldvogel.mongo.backend.QueryResult;
import de.bwaldvogel.mongo.backend.aggregation.Aggregation;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.CursorNotFoundException;
import de.bwaldvogel.mongo.exception.MongoServerError;
import de.bwaldvogel.mongo.oplog.NoopOplog;

import java.time.Instant;
import java.util.*;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * The commands that read documents. The library answers most of them; aggregations run here stage by stage, for their
 * {@code $match} to be {@link Query}'s and their results to come in batches.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/command/nav-crud/">Query and Write Operation Commands</a>
 */
final class Reads {

    private static final Set<String> OF_THE_LIBRARY = Set.of("find", "count", "distinct", "getMore", "listIndexes",
        "collStats", "dbStats", "validate");
    /** Stages of the library that evaluate no expressions. */
    private static final Set<String> OF_VALUES = Set.of("$count", "$limit", "$skip", "$sort", "$unwind");
    /** As drivers count documents. */
    private static final Document COUNT =
        new Document("$group", new Document("_id", 1).append("n", new Document("$sum", 1)));
    /** The first batch's size where the client names none, as on a server. */
    static final int FIRST_BATCH = 101;
    private static final int BATCH = 1000;

    private final Storage storage;

    Reads(Storage storage) {
        this.storage = storage;
    }

    /** The reply, or null when the command is none of these. */
    Document run(Connection connection, String database, String name, Document command) {
        for (String filter : List.of("filter", "query")) {
            if (command.get(filter) instanceof Document query) {
                Query.validate(query);
            }
        }
        if (command.get("projection") instanceof Document fields && !fields.isEmpty()) {
            new Projection(fields, false); // also where there is nothing to find
        }
        Document reply;
        if (name.equals("aggregate")) {
            reply = aggregate(connection, database, command);
        } else if (OF_THE_LIBRARY.contains(name)) {
            if (name.equals("listIndexes") && storage.collection(database, (String) command.get(name)) == null) {
                throw ErrorCodes.error(26, "ns does not exist: " + database + "." + command.get(name));
            }
            // Without a size of the client's own a reply could outgrow a message.
            if (name.equals("find") || name.equals("getMore")) {
                command.putIfAbsent("batchSize", name.equals("find") ? FIRST_BATCH : BATCH);
            }
            try {
                reply = storage.command(database, name, command);
            } catch (CursorNotFoundException e) { // in a server's words
                throw ErrorCodes.error(43, "cursor id " + command.get(name) + " not found");
            }
            if (name.equals("dbStats")) {
                reply.put("views", 0);
            }
        } else {
            return null;
        }
        if (reply.get("cursor") instanceof Document cursor && cursor.get("id") instanceof Long id && id != 0) {
            connection.cursors.add(id);
        }
        return reply;
    }

    private Document aggregate(Connection connection, String database, Document command) {
        List<Document> stages = Aggregation.parse(command.get("pipeline"));
        if (!(command.get("aggregate") instanceof String name)) {
            throw ErrorCodes.error(73, "{aggregate: 1} is not valid here; a collection is required.");
        }
        if (!(command.get("cursor") instanceof Document options)) {
            throw ErrorCodes.error(9, "The 'cursor' option is required");
        }
        LoggedCollection collection = storage.collection(database, name);
        boolean statistics = !stages.isEmpty() && stages.get(0).containsKey("$collStats");
        Stream<Document> documents = collection == null ? Stream.empty()
            : statistics ? Stream.of(statistics(connection, collection)) : collection.queryAllAsStream();
        for (Document stage : statistics ? stages.subList(1, stages.size()) : stages) {
            documents = run(stage, documents, collection);
        }
        int size = ((Number) options.getOrDefault("batchSize", FIRST_BATCH)).intValue();
        Document cursor = new Document("ns", database + "." + name);
        List<Document> results = documents.toList();
        QueryResult batch = collection == null ? new QueryResult() : collection.page(results, Math.max(1, size));
        cursor.append("firstBatch", batch.collectDocuments()).append("id", batch.getCursorId());
        return new Document("cursor", cursor).append("ok", 1.0);
    }

    private Stream<Document> run(Document stage, Stream<Document> documents, LoggedCollection collection) {
        String name = Pipeline.name(stage);
        ErrorCodes.require(!name.equals("$changeStream"), 40602,
            "$changeStream is only valid as the first stage in a pipeline.");
        if (name.equals("$sample")) {
            // The library sorts by a comparator that contradicts itself, which some sorts refuse.
            List<Document> shuffled = new ArrayList<>(documents.toList());
            Collections.shuffle(shuffled);
            return shuffled.stream().limit((Integer) ((Document) stage.get(name)).get("size"));
        }
        if (OF_VALUES.contains(name) || stage.equals(COUNT)) {
            return Aggregation.fromPipeline(List.of(stage), null, null, collection, NoopOplog.get())
                .runStagesAsStream(documents);
        }
        UnaryOperator<Document> transform = Pipeline.transform(name, stage.get(name));
        if (transform == null) {
            throw Fields.notOffered(name + " in an aggregation");
        }
        return documents.map(transform).filter(Objects::nonNull);
    }

    private static Document statistics(Connection connection, LoggedCollection collection) {
        Document statistics = collection.getStats();
        return new Document("ns", collection.getFullName()).append("host", connection.address)
            .append("localTime", Instant.now()).append("count", statistics.get("count"))
            .append("storageStats", statistics);
    }
}
