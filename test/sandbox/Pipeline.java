import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * The stages that the events of a change stream pass after {@code $changeStream}.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/changeStreams/#modify-change-stream-output">Modify Change Stream Output</a>
 */
final class Pipeline {

    private static final Set<String> REFUSED = Set.of("$bucket", "$bucketAuto", "$changeStream", "$collStats", "$count",
        "$currentOp", "$densify", "$documents", "$facet", "$fill", "$geoNear", "$graphLookup", "$group", "$indexStats",
        "$limit", "$listLocalSessions", "$listSessions", "$lookup", "$merge", "$out", "$planCacheStats", "$sample",
        "$search", "$setWindowFields", "$skip", "$sort", "$sortByCount", "$unionWith", "$unwind");

    private static final Map<String, Integer> NOT_AN_OBJECT = Map.of("$match", 15959, "$project", 15969,
        "$addFields", 40272,
        "$set", 40272, "$replaceRoot", 40229, "$replaceWith", 40228);
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
            throw ErrorCodes.error(40323, "A pipeline stage specification object must contain exactly one field.");
        }
        String name = stage.keySet().iterator().next();
        UnaryOperator<Document> transform = transform(name, stage.get(name));
        if (transform == null) {
            throw REFUSED.contains(name) ? ErrorCodes.error(20, name + " is not permitted in a $changeStream pipeline")
                : ErrorCodes.error(40324, "Unrecognized pipeline stage name: '" + name + "'");
        }
        return transform;
    }

    /** A stage that passes documents one by one, as another or, with null, not at all; null for any other stage. */
    static UnaryOperator<Document> transform(String stage, Object argument) {
        switch (stage) {
            case "$match" -> Query.validate(document(stage, argument));
            case "$replaceWith", "$redact" -> Expressions.validate(argument);
            default -> { }
        }
        return switch (stage) {
            case "$match" -> document -> Query.matches(document, (Document) argument) ? document : null;
            case "$project" -> new Projection(document(stage, argument), false)::apply;
            case "$addFields", "$set" -> new Projection(document(stage, argument), true)::apply;
            case "$unset" -> Projection.without(argument)::apply;
            case "$replaceRoot" -> transform("$replaceWith", document(stage, argument).get("newRoot"));
            case "$replaceWith" -> document -> document(stage, Expressions.evaluate(argument, document));
            case "$redact" -> document -> redact(document, argument);
            default -> null;
        };
    }

    private static Document document(String stage, Object value) {
        if (value instanceof Document document) {
            return document;
        }
        int code = NOT_AN_OBJECT.get(stage);
        throw ErrorCodes.error(code, stage + " needs an object, and this is none: " + value);
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
            throw ErrorCodes.error(17053,
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
}
