import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.backend.aggregation.Expression;
import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.time.Instant;
import java.util.*;
import java.util.function.BiFunction;
import java.util.stream.*;

/**
 * Aggregation expressions. The library's operators are given values only, never expressions: it takes data that looks
 * like an expression for one. Here are those that bind variables or choose a branch.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/operator/aggregation/">Aggregation Operators</a>
 */
final class Expressions {

    /** The arguments of operators that name them; of these, {@code as} may be left out. */
    private static final Map<String, Set<String>> NAMED = Map.of("$map", Set.of("input", "as", "in"),
        "$filter", Set.of("input", "as", "cond"), "$regexMatch", Set.of("input", "regex"));
    private static final Set<String> NOT_OFFERED = Set.of("$convert", "$dateToString", "$reduce");
    private static final Set<String> OPERATORS =
        Stream.concat(Arrays.stream(Expression.values()).map(Enum::name), NAMED.keySet().stream())
            .filter(operator -> !NOT_OFFERED.contains(operator)).collect(Collectors.toSet());
    private static final Set<String> COMPARISONS = Set.of("$cmp", "$eq", "$gt", "$gte", "$lt", "$lte", "$ne");

    private final Map<String, Object> variables;

    private Expressions(Map<String, Object> variables) {
        this.variables = variables;
    }

    /** The expression's value for the document: {@link Missing} where it leads to a field that is not there. */
    static Object evaluate(Object expression, Document document) {
        return new Expressions(Map.of("ROOT", document, "CURRENT", document, "NOW", Instant.now(),
            "REMOVE", Missing.getInstance())).value(expression);
    }

    /**
     * Refuses an expression that could not be evaluated for any document.
     *
     * @throws MongoServerError 168 an unknown operator, 15983 a field beside one, 9 other arguments than it has
     */
    static void validate(Object expression) {
        if (expression instanceof List<?> list) {
            list.forEach(Expressions::validate);
        }
        if (!(expression instanceof Document document) || document.containsKey("$literal")) {
            return;
        }
        document.forEach((name, argument) -> {
            if (name.startsWith("$")) {
                ErrorCodes.require(document.size() == 1, 15983,
                    "An object representing an expression must have exactly one field: " + document);
                ErrorCodes.require(OPERATORS.contains(name), 168, "Unrecognized expression '" + name + "'");
                ErrorCodes.require(hasItsArguments(name, argument), 9, "other arguments than those of " + name);
            }
            validate(argument);
        });
    }

    private static boolean hasItsArguments(String operator, Object argument) {
        Set<String> names = NAMED.get(operator);
        if (names != null) {
            Set<String> given = argument instanceof Document fields ? fields.keySet() : Set.of();
            return names.containsAll(given) && given.size() >= names.size() - (names.contains("as") ? 1 : 0);
        }
        return !operator.equals("$cond") || argument instanceof List<?> parts && parts.size() == 3
            || argument instanceof Document named && named.keySet().equals(Set.of("if", "then", "else"));
    }

    private Object value(Object expression) {
        if (expression instanceof String text && text.startsWith("$")) {
            String[] path = (text.startsWith("$$") ? text.substring(2) : "CURRENT." + text.substring(1)).split("\\.");
            ErrorCodes.require(variables.containsKey(path[0]), 17276, "Use of undefined variable: " + path[0]);
            return field(variables.get(path[0]), path, 1);
        }
        if (expression instanceof List<?> list) {
            return list.stream().map(this::valueOrNull).collect(Collectors.toList());
        }
        if (!(expression instanceof Document document)) {
            return expression;
        }
        if (!document.isEmpty() && document.keySet().iterator().next().startsWith("$")) {
            var operator = document.entrySet().iterator().next();
            return operator(operator.getKey(), operator.getValue());
        }
        Document result = new Document();
        document.forEach((name, part) -> result.put(name, value(part)));
        result.values().removeIf(value -> value instanceof Missing);
        return result;
    }

    private Object valueOrNull(Object expression) {
        Object value = value(expression);
        return value instanceof Missing ? null : value;
    }

    private boolean isTrue(Object expression) {
        return Utils.isTrue(value(expression));
    }

    /** What a path leads to: through an array, the values in its elements. */
    private static Object field(Object value, String[] path, int at) {
        if (at == path.length) {
            return value;
        }
        if (value instanceof Collection<?> elements) {
            return elements.stream().map(element -> field(element, path, at))
                .filter(found -> !(found instanceof Missing)).collect(Collectors.toList());
        }
        return value instanceof Document document ? field(document.getOrMissing(path[at]), path, at + 1)
            : Missing.getInstance();
    }

    private Object operator(String operator, Object argument) {
        Document named = argument instanceof Document fields ? fields : new Document();
        List<?> list = argument instanceof List<?> many ? many : Collections.singletonList(argument);
        return switch (operator) {
            case "$literal" -> argument;
            case "$and" -> list.stream().allMatch(this::isTrue);
            case "$or" -> list.stream().anyMatch(this::isTrue);
            case "$cond" -> {
                List<?> parts = named.isEmpty() ? list
                    : Arrays.asList(named.get("if"), named.get("then"), named.get("else"));
                yield value(parts.get(isTrue(parts.get(0)) ? 1 : 2));
            }
            case "$ifNull" -> list.stream().map(this::value).filter(value -> !Missing.isNullOrMissing(value))
                .findFirst().orElseGet(() -> value(list.get(list.size() - 1)));
            case "$map" -> elements(named, (scope, element) -> scope.valueOrNull(named.get("in")));
            case "$filter" -> elements(named, (scope, element) ->
                scope.isTrue(named.get("cond")) ? element : Missing.getInstance());
            case "$regexMatch" -> regexMatch(value(named.get("input")), value(named.get("regex")));
            default -> library(operator, argument);
        };
    }

    /** The step's results for the elements of the input, each as a variable; null where there is no input. */
    private Object elements(Document named, BiFunction<Expressions, Object, Object> step) {
        Object input = value(named.get("input"));
        if (Missing.isNullOrMissing(input)) {
            return null;
        }
        ErrorCodes.require(input instanceof Collection, named.containsKey("cond") ? 28651 : 16883,
            "input must be an array");
        return ((Collection<?>) input).stream().map(element -> {
            Map<String, Object> scope = new HashMap<>(variables);
            scope.put((String) named.getOrDefault("as", "this"), element);
            return step.apply(new Expressions(scope), element);
        }).filter(result -> !(result instanceof Missing)).collect(Collectors.toList());
    }

    private static boolean regexMatch(Object input, Object regex) {
        if (Missing.isNullOrMissing(input) || Missing.isNullOrMissing(regex)) {
            return false;
        }
        ErrorCodes.require(input instanceof String, 51104, "$regexMatch needs 'input' to be of type string");
        return (regex instanceof BsonRegularExpression given ? given : new BsonRegularExpression((String) regex, ""))
            .matcher((String) input).find();
    }

    /** The value of an operator of the library, whose arguments are values by now. */
    private Object library(String operator, Object argument) {
        // NaN is below all numbers; the library has it above them.
        Object values = argument instanceof List<?> arguments ? arguments.stream().map(this::value)
            .map(each -> COMPARISONS.contains(operator) && Query.isNaN(each) ? Double.NEGATIVE_INFINITY : literal(each))
            .collect(Collectors.toList()) : literal(value(argument));
        if (operator.equals("$objectToArray") && Missing.isNullOrMissing(values)) {
            return null;
        }
        // In a $map, as a document that comes out by itself would be evaluated once more.
        Document once = new Document("$map",
            new Document("input", List.of(1)).append("in", new Document(operator, values)));
        Object result = ((List<?>) Expression.evaluateDocument(once, new Document())).get(0);
        return result instanceof Collection<?> set && !(set instanceof List) ? new ArrayList<>(set) : result;
    }

    private static Object literal(Object value) {
        boolean likeAnExpression = value instanceof Document || value instanceof Collection
            || value instanceof String text && text.startsWith("$");
        return likeAnExpression ? new Document("$literal", value) : value;
    }
}
