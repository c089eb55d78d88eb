import de.bwaldvogel.mongo.backend.aggregation.Aggregation;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import de.bwaldvogel.mongo.oplog.NoopOplog;

import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The stages that the events of a change stream pass after {@code $changeStream}.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/changeStreams/#modify-change-stream-output">Modify Change Stream Output</a>
 */
final class Pipeline {

    private static final Set<String> ALLOWED =
        Set.of("$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith", "$redact");
    private static final Set<String> REFUSED = Set.of("$bucket", "$bucketAuto", "$changeStream", "$collStats", "$count",
        "$currentOp", "$densify", "$documents", "$facet", "$fill", "$geoNear", "$graphLookup", "$group", "$indexStats",
        "$limit", "$listLocalSessions", "$listSessions", "$lookup", "$merge", "$out", "$planCacheStats", "$sample",
        "$search", "$setWindowFields", "$skip", "$sort", "$sortByCount", "$unionWith", "$unwind");

    private static final Object PRUNED = new Object();

    private final List<UnaryOperator<Document>> stages;

    /**
     * @throws MongoServerError 20 a stage that change streams refuse, 40324 no stage at all, 2 a bad {@code $match}
     */
    Pipeline(List<?> stages) {
        this.stages = stages.stream().map(Pipeline::stage).toList();
    }

    /** The event as the client gets it, or null when a stage drops it. */
    Document apply(Document event) {
        Document result = event;
        for (UnaryOperator<Document> stage : stages) {
            result = result == null ? null : stage.apply(result);
        }
        return result;
    }

    private static UnaryOperator<Document> stage(Object specification) {
        if (!(specification instanceof Document stage) || stage.size() != 1) {
            throw new MongoServerError(40323, "Location40323",
                "A pipeline stage specification object must contain exactly one field.");
        }
        String name = stage.keySet().iterator().next();
        if (name.equals("$match")) {
            if (!(stage.get(name) instanceof Document query)) {
                throw new MongoServerError(15959, "Location15959", "the match filter must be an expression in an object");
            }
            Query.validate(query);
            return event -> Query.matches(event, query) ? event : null;
        }
        if (REFUSED.contains(name)) {
            throw new MongoServerError(20, "IllegalOperation", name + " is not permitted in a $changeStream pipeline");
        }
        if (!ALLOWED.contains(name)) {
            throw new MongoServerError(40324, "Location40324", "Unrecognized pipeline stage name: '" + name + "'");
        }
        if (name.equals("$redact")) {
            return event -> redact(event, stage.get(name));
        }
        // Stages change documents in place, and other streams share this event's parts.
        return event -> transform(stage, name, event.cloneDeeply());
    }

    private static Document transform(Document stage, String name, Document event) {
        Document known = known(new Document(name, Expressions.resolve(stage.get(name), event)));
        return Aggregation.fromPipeline(List.of(known), null, null, null, NoopOplog.get())
            .runStagesAsStream(Stream.of(event)).findFirst().orElse(null);
    }

    /** Keeps, prunes or descends into a document, and so into those within it; null when it is pruned. */
    private static Document redact(Document document, Object expression) {
        Object decision = Expressions.evaluate(expression, document);
        if ("$$KEEP".equals(decision)) {
            return document;
        }
        if ("$$PRUNE".equals(decision)) {
            return null;
        }
        if (!"$$DESCEND".equals(decision)) {
            throw new MongoServerError(17053, "Location17053",
                "$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and $$PRUNE");
        }
        Document kept = new Document();
        for (var field : document.entrySet()) {
            Object value = field.getValue() instanceof List<?> list ? list.stream()
                .map(element -> redactValue(element, expression)).filter(element -> element != PRUNED)
                .collect(Collectors.toList())
                : redactValue(field.getValue(), expression);
            if (value != PRUNED) {
                kept.put(field.getKey(), value);
            }
        }
        return kept;
    }

    private static Object redactValue(Object value, Object expression) {
        if (!(value instanceof Document document)) {
            return value;
        }
        Document kept = redact(document, expression);
        return kept == null ? PRUNED : kept;
    }

    /** The stage under the name that the library knows it by. */
    static Document known(Document stage) {
        return stage.containsKey("$set") ? new Document("$addFields", stage.get("$set"))
            : stage.containsKey("$replaceWith")
            ? new Document("$replaceRoot", new Document("newRoot", stage.get("$replaceWith"))) : stage;
    }
}
