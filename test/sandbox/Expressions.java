import de.bwaldvogel.mongo.backend.Missing;
import de.bwaldvogel.mongo.backend.Utils;
import de.bwaldvogel.mongo.backend.aggregation.Expression;
import de.bwaldvogel.mongo.bson.BsonRegularExpression;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Aggregation expressions. The library evaluates its own; around it stand the operators it lacks, and those that
 * bind a variable for an expression which may hold one of them.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/operator/aggregation/">Aggregation Operators</a>
 */
final class Expressions {

    private static final Set<String> LIBRARY =
        Arrays.stream(Expression.values()).map(Enum::name).collect(Collectors.toSet());
    /** The library gives sets, which it cannot compare with arrays. */
    private static final Set<String> SETS = Set.of("$setDifference", "$setIntersection", "$setUnion");

    private Expressions() {
    }

    /** The expression's value for the document: {@link Missing} where it leads to a field that is not there. */
    static Object evaluate(Object expression, Document document) {
        return Expression.evaluateDocument(resolve(expression, document), document);
    }

    /** The same expression with each part that the library could not evaluate replaced by its value. */
    static Object resolve(Object expression, Document document) {
        if (!isForeign(expression)) {
            return expression;
        }
        if (expression instanceof List<?> list) {
            return list.stream().map(part -> resolve(part, document)).collect(Collectors.toList());
        }
        Document operators = (Document) expression;
        String operator = operators.keySet().iterator().next();
        Object argument = operators.get(operator);
        Object value = switch (operator) {
            case "$regexMatch" -> regexMatch((Document) argument, document);
            case "$let" -> let((Document) argument, document);
            case "$switch" -> branch((Document) argument, document);
            case "$map" -> map((Document) argument, document);
            case "$filter" -> filter((Document) argument, document);
            case "$type" -> type(evaluate(argument, document));
            case "$setDifference", "$setIntersection", "$setUnion" -> set(operator, resolve(argument, document), document);
            case "$first", "$last" -> end(operator, evaluate(argument, document));
            default -> {
                if (operator.startsWith("$") && !LIBRARY.contains(operator)) {
                    throw new MongoServerError(168, "InvalidPipelineOperator", "Unrecognized expression '" + operator + "'");
                }
                Document resolved = new Document();
                operators.forEach((key, part) -> resolved.put(key, resolve(part, document)));
                yield resolved;
            }
        };
        return isOurs(operator) || Set.of("$map", "$filter").contains(operator)
            ? new Document("$literal", value instanceof Missing ? null : value) : value;
    }

    private static boolean isForeign(Object expression) {
        if (expression instanceof Document document) {
            return document.keySet().stream().anyMatch(Expressions::isOurs)
                || !document.containsKey("$literal") && document.values().stream().anyMatch(Expressions::isForeign);
        }
        return expression instanceof Collection<?> list && list.stream().anyMatch(Expressions::isForeign);
    }

    private static boolean isOurs(String operator) {
        return operator.startsWith("$") && (!LIBRARY.contains(operator) || SETS.contains(operator));
    }

    private static Object set(String operator, Object argument, Document document) {
        Object value = Expression.evaluateDocument(new Document(operator, argument), document);
        return value instanceof Collection<?> elements ? new ArrayList<>(elements) : value;
    }

    private static Object regexMatch(Document argument, Document document) {
        Object input = evaluate(argument.get("input"), document);
        Object regex = evaluate(argument.get("regex"), document);
        if (Missing.isNullOrMissing(input) || Missing.isNullOrMissing(regex)) {
            return false;
        }
        if (!(input instanceof String text)) {
            throw new MongoServerError(51104, "Location51104", "$regexMatch needs 'input' to be of type string");
        }
        Object options = argument.get("options");
        BsonRegularExpression expression = regex instanceof BsonRegularExpression given && options == null ? given
            : new BsonRegularExpression(regex instanceof BsonRegularExpression given ? given.getPattern()
                : regex.toString(), options == null ? "" : options.toString());
        return expression.matcher(text).find();
    }

    private static Object let(Document argument, Document document) {
        Document scope = document.clone();
        ((Document) argument.get("vars")).forEach((name, value) -> scope.put("$" + name, evaluate(value, document)));
        return evaluate(argument.get("in"), scope);
    }

    private static Object branch(Document argument, Document document) {
        for (Object branch : (List<?>) argument.get("branches")) {
            if (Utils.isTrue(evaluate(((Document) branch).get("case"), document))) {
                return evaluate(((Document) branch).get("then"), document);
            }
        }
        if (!argument.containsKey("default")) {
            throw new MongoServerError(40066, "Location40066",
                "$switch could not find a matching branch for an input, and no default was specified.");
        }
        return evaluate(argument.get("default"), document);
    }

    private static Object map(Document argument, Document document) {
        Object input = evaluate(argument.get("input"), document);
        if (!(input instanceof Collection<?> elements)) {
            return null;
        }
        List<Object> result = new ArrayList<>();
        for (Object element : elements) {
            Object value = evaluate(argument.get("in"), bind(document, argument, element));
            result.add(value instanceof Missing ? null : value);
        }
        return result;
    }

    private static Object filter(Document argument, Document document) {
        Object input = evaluate(argument.get("input"), document);
        return input instanceof Collection<?> elements ? elements.stream()
            .filter(element -> Utils.isTrue(evaluate(argument.get("cond"), bind(document, argument, element))))
            .collect(Collectors.toList()) : null;
    }

    /** The library keeps variables as fields of the document, their names with one dollar sign. */
    private static Document bind(Document document, Document argument, Object element) {
        Document scope = document.clone();
        scope.put("$" + argument.getOrDefault("as", "this"), element);
        return scope;
    }

    private static Object end(String operator, Object value) {
        if (!(value instanceof List<?> list)) {
            return null;
        }
        return list.isEmpty() ? Missing.getInstance() : list.get(operator.equals("$first") ? 0 : list.size() - 1);
    }

    private static String type(Object value) {
        if (value instanceof Missing) {
            return "missing";
        }
        return value == null ? "null" : value instanceof Document ? "object" : value instanceof Collection ? "array"
            : value instanceof String ? "string" : value instanceof Boolean ? "bool" : value instanceof Integer ? "int"
            : value instanceof Long ? "long" : value instanceof Double ? "double"
            : value instanceof java.time.Instant ? "date" : value.getClass().getSimpleName().toLowerCase();
    }
}
