import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.backend.aggregation.Expression;
import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.time.Instant;
import java.util.*;
import java.util.function.BiFunction;
import java.util.stream.Collectors;

/**
 * Aggregation expressions. The library's operators are given values only, never expressions: it takes data that looks
 * like an expression for one. Here are those that bind variables or choose a branch, and those that it lacks.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/operator/aggregation/">Aggregation Operators</a>
 */
final class Expressions {

    private static final Set<String> LIBRARY =
        Arrays.stream(Expression.values()).map(Enum::name).collect(Collectors.toSet());
    private static final Set<String> OURS = Set.of("$first", "$last", "$let", "$regexMatch", "$switch", "$type");
    /** The arguments of operators that name them, those that may be left out last. */
    private static final Map<String, List<String>> NAMED = Map.of("$let", List.of("vars", "in"),
        "$map", List.of("input", "in", "as"), "$filter", List.of("input", "cond", "as"),
        "$reduce", List.of("input", "initialValue", "in"), "$switch", List.of("branches", "default"),
        "$regexMatch", List.of("input", "regex", "options"));
    private static final Set<String> OPTIONAL = Set.of("as", "default", "options");
    private static final Set<String> COMPARISONS = Set.of("$cmp", "$eq", "$gt", "$gte", "$lt", "$lte", "$ne");

    private final Map<String, Object> variables;

    private Expressions(Map<String, Object> variables) {
        this.variables = variables;
    }

    /** The expression's value for the document: {@link Missing} where it leads to a field that is not there. */
    static Object evaluate(Object expression, Document document) {
        return new Expressions(Map.of("ROOT", document, "CURRENT", document)).value(expression);
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
            if (name.startsWith("$") && document.size() > 1) {
                throw ErrorCodes.error(15983, "An object representing an expression must have exactly one field: "
                    + document);
            }
            if (name.startsWith("$") && !LIBRARY.contains(name) && !OURS.contains(name)) {
                throw ErrorCodes.error(168, "Unrecognized expression '" + name + "'");
            }
            List<String> names = NAMED.get(name);
            if (names != null && !(argument instanceof Document given && names.containsAll(given.keySet())
                && names.stream().allMatch(each -> given.containsKey(each) || OPTIONAL.contains(each)))) {
                throw ErrorCodes.error(9, name + " takes " + String.join(", ", names));
            }
            validate(argument);
        });
    }

    /** What {@code {field: expression}} comes to, so written that the library, which evaluates it, gets the same. */
    static Document values(Document expressions, Document document) {
        Document values = new Document();
        expressions.forEach((field, expression) -> {
            Object value = evaluate(expression, document);
            if (value instanceof Document fields) {
                value = fields.clone();
                ((Document) value).replaceAll((name, part) -> literal(part));
            }
            values.put(field, value);
        });
        return values;
    }

    private Object value(Object expression) {
        if (expression instanceof String text && text.startsWith("$")) {
            boolean variable = text.startsWith("$$");
            String[] path = text.substring(variable ? 2 : 1).split("\\.");
            return variable ? field(variable(path[0]), path, 1) : field(variables.get("CURRENT"), path, 0);
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

    private Object variable(String name) {
        return switch (name) {
            case "NOW" -> Instant.now();
            case "REMOVE" -> Missing.getInstance();
            case "KEEP", "PRUNE", "DESCEND" -> "$$" + name;
            default -> {
                if (!variables.containsKey(name)) {
                    throw ErrorCodes.error(17276, "Use of undefined variable: " + name);
                }
                yield variables.get(name);
            }
        };
    }

    private Expressions with(String name, Object value) {
        Map<String, Object> more = new HashMap<>(variables);
        more.put(name, value);
        return new Expressions(more);
    }

    /** What a path leads to: through an array, the values in its elements. */
    private static Object field(Object value, String[] path, int at) {
        if (at == path.length) {
            return value;
        }
        if (value instanceof Collection<?> elements) {
            return elements.stream().map(element -> field(element, path, at))
                .filter(found -> !(found instanceof Missing))
                .collect(Collectors.toList());
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
            case "$cond" -> cond(named.isEmpty() ? list
                : Arrays.asList(named.get("if"), named.get("then"), named.get("else")));
            case "$ifNull" -> list.stream().map(this::value).filter(value -> !Missing.isNullOrMissing(value))
                .findFirst()
                .orElseGet(() -> value(list.get(list.size() - 1)));
            case "$switch" -> branch(named);
            case "$let" -> {
                Map<String, Object> bound = new HashMap<>(variables);
                ((Document) named.get("vars")).forEach((name, part) -> bound.put(name, value(part)));
                yield new Expressions(bound).value(named.get("in"));
            }
            case "$map" -> elements(named, (scope, element) -> scope.valueOrNull(named.get("in")));
            case "$filter" -> elements(named, (scope, element) ->
                scope.isTrue(named.get("cond")) ? element : Missing.getInstance());
            case "$reduce" -> {
                Object[] result = {value(named.get("initialValue"))};
                yield elements(named, (scope, element) ->
                    result[0] = scope.with("value", result[0]).value(named.get("in")))
                    == null ? null : result[0];
            }
            case "$regexMatch" -> regexMatch(value(named.get("input")), value(named.get("regex")),
                value(named.get("options")));
            case "$type" -> type(value(list.get(0)));
            case "$first" -> library("$arrayElemAt", Arrays.asList(argument, 0));
            case "$last" -> library("$arrayElemAt", Arrays.asList(argument, -1));
            default -> library(operator, argument);
        };
    }

    private Object cond(List<?> parts) {
        if (parts.size() != 3) {
            throw ErrorCodes.error(16020, "Expression $cond takes exactly 3 arguments. " + parts.size()
                + " were passed in.");
        }
        return value(parts.get(isTrue(parts.get(0)) ? 1 : 2));
    }

    private Object branch(Document named) {
        for (Object branch : (List<?>) named.get("branches")) {
            if (isTrue(((Document) branch).get("case"))) {
                return value(((Document) branch).get("then"));
            }
        }
        if (!named.containsKey("default")) {
            throw ErrorCodes.error(40066,
                "$switch could not find a matching branch for an input, and no default was specified.");
        }
        return value(named.get("default"));
    }

    /** The step's results for the elements of the input, each as a variable; null where there is no input. */
    private Object elements(Document named, BiFunction<Expressions, Object, Object> step) {
        Object input = value(named.get("input"));
        if (Missing.isNullOrMissing(input)) {
            return null;
        }
        if (!(input instanceof Collection<?> elements)) {
            int code = named.containsKey("cond") ? 28651 : named.containsKey("initialValue") ? 40080 : 16883;
            throw ErrorCodes.error(code, "input must be an array, and is " + type(input));
        }
        String as = (String) named.getOrDefault("as", "this");
        return elements.stream().map(element -> step.apply(with(as, element), element))
            .filter(result -> !(result instanceof Missing)).collect(Collectors.toList());
    }

    private static boolean regexMatch(Object input, Object regex, Object options) {
        if (Missing.isNullOrMissing(input) || Missing.isNullOrMissing(regex)) {
            return false;
        }
        if (!(input instanceof String text)) {
            throw ErrorCodes.error(51104, "$regexMatch needs 'input' to be of type string");
        }
        BsonRegularExpression expression = regex instanceof BsonRegularExpression given ? given
            : new BsonRegularExpression((String) regex, "");
        return (options == null ? expression : new BsonRegularExpression(expression.getPattern(), (String) options))
            .matcher(text).find();
    }

    private static String type(Object value) {
        return value instanceof Missing ? "missing"
            : Arrays.stream(BsonType.values()).filter(type -> type.matches(value))
            .map(BsonType::getAlias).findFirst().orElse("regex");
    }

    /** The value of an operator of the library, whose arguments are values by now. */
    private Object library(String operator, Object argument) {
        Object values;
        if (argument instanceof Document named && named.containsKey("date")) {
            Document literals = new Document();
            named.forEach((name, part) -> literals.put(name, literal(valueOrNull(part))));
            values = literals;
        } else if (argument instanceof List<?> arguments) {
            // NaN is below all numbers; the library has it above them.
            values = arguments.stream().map(this::value)
                .map(value -> COMPARISONS.contains(operator) && Query.isNaN(value)
                ? Double.NEGATIVE_INFINITY : literal(value)).collect(Collectors.toList());
        } else {
            values = literal(value(argument));
        }
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
