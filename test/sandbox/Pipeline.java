import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;
import java.util.function.UnaryOperator;

/**
 * The stages that the events of a change stream pass after {@code $changeStream}.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/changeStreams/#modify-change-stream-output">Modify Output</a>
 */
final class Pipeline {

    private static final Set<String> REFUSED = Set.of("$bucket", "$bucketAuto", "$changeStream", "$collStats", "$count",
        "$currentOp", "$densify", "$documents", "$facet", "$fill", "$geoNear", "$graphLookup", "$group", "$indexStats",
        "$limit", "$listLocalSessions", "$listSessions", "$lookup", "$merge", "$out", "$planCacheStats", "$sample",
        "$search", "$setWindowFields", "$skip", "$sort", "$sortByCount", "$unionWith", "$unwind");

    private static final Map<String, Integer> NOT_AN_OBJECT = Map.of("$match", 15959, "$project", 15969,
        "$addFields", 40272, "$set", 40272, "$replaceRoot", 40229, "$replaceWith", 40228);

    private final List<UnaryOperator<Document>> stages;

    /**
     * @throws MongoServerError 20 a stage that change streams refuse, 40324 no stage at all, 2 a bad {@code $match}
     */
    Pipeline(List<Document> stages) {
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

    static String name(Document stage) {
        ErrorCodes.require(stage.size() == 1, 40323,
            "A pipeline stage specification object must contain exactly one field.");
        return stage.keySet().iterator().next();
    }

    private static UnaryOperator<Document> stage(Document stage) {
        String name = name(stage);
        UnaryOperator<Document> transform = transform(name, stage.get(name));
        ErrorCodes.require(!REFUSED.contains(name), 20, name + " is not permitted in a $changeStream pipeline");
        ErrorCodes.require(transform != null, 40324, "Unrecognized pipeline stage name: '" + name + "'");
        return transform;
    }

    /** A stage that passes documents one by one, as another or, with null, not at all; null for any other stage. */
    static UnaryOperator<Document> transform(String stage, Object argument) {
        return switch (stage) {
            case "$match" -> {
                Document query = document(stage, argument);
                Query.validate(query);
                yield document -> Query.matches(document, query) ? document : null;
            }
            case "$project" -> new Projection(document(stage, argument), false)::apply;
            case "$addFields", "$set" -> new Projection(document(stage, argument), true)::apply;
            case "$unset" -> Projection.without(argument)::apply;
            case "$replaceRoot" -> transform("$replaceWith", document(stage, argument).get("newRoot"));
            case "$replaceWith" -> {
                Expressions.validate(argument);
                yield document -> document(stage, Expressions.evaluate(argument, document));
            }
            case "$redact" -> throw Fields.notOffered(stage);
            default -> null;
        };
    }

    private static Document document(String stage, Object value) {
        if (value instanceof Document document) {
            return document;
        }
        throw ErrorCodes.error(NOT_AN_OBJECT.get(stage), stage + " needs an object, and this is none: " + value);
    }
}
