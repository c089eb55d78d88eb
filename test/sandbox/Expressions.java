import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.backend.aggregation.Expression;
import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.time.Instant;
import java.util.*;
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
    /** NaN is below all numbers; the library has it above them. */
    private static final double LEAST = Double.NEGATIVE_INFINITY;
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
     * @throws MongoServerError 168 an unknown operator, 15983 a field beside an operator
     */
    static void validate(Object expression) {
        if (expression instanceof List<?> list) {
            list.forEach(Expressions::validate);
        }
        if (!(expression instanceof Document document) || document.containsKey("$literal")) {
            return;
        }
        for (String name : document.keySet()) {
            if (name.startsWith("$") && document.size() > 1) {
                throw ErrorCodes.error(15983,
                    "An object representing an expression must have exactly one field: " + document);
            }
            if (name.startsWith("$") && !LIBRARY.contains(name) && !OURS.contains(name)) {
                throw ErrorCodes.error(168, "Unrecognized expression '" + name + "'");
            }
        }
        document.values().forEach(Expressions::validate);
    }

    /** What {@code {field: expression}} comes to, so written that the library, which evaluates it again, gets the same. */
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
            String[] path = text.substring(text.startsWith("$$") ? 2 : 1).split("\\.");
            return text.startsWith("$$") ? field(variable(path[0]), path, 1) : field(variables.get("CURRENT"), path, 0);
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
        document.forEach((name, part) -> {
            Object value = value(part);
            if (!(value instanceof Missing)) {
                result.put(name, value);
            }
        });
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

    private Expressions with(Object name, Object value) {
        Map<String, Object> more = new HashMap<>(variables);
        more.put((String) name, value);
        return new Expressions(more);
    }

    /** What a path leads to: through an array, the values in its elements. */
    private static Object field(Object value, String[] path, int at) {
        if (at == path.length) {
            return value;
        }
        if (value instanceof Collection<?> elements) {
            return elements.stream().map(element -> field(element, path, at)).filter(found -> !(found instanceof Missing))
                .collect(Collectors.toList());
        }
        return value instanceof Document document ? field(document.getOrMissing(path[at]), path, at + 1)
            : Missing.getInstance();
    }

    private Object operator(String operator, Object argument) {
        return switch (operator) {
            case "$literal" -> argument;
            case "$and" -> list(argument).stream().allMatch(this::isTrue);
            case "$or" -> list(argument).stream().anyMatch(this::isTrue);
            case "$cond" -> cond(argument instanceof Document named
                ? Arrays.asList(named.get("if"), named.get("then"), named.get("else")) : list(argument));
            case "$ifNull" -> ifNull(list(argument));
            case "$switch" -> branch((Document) argument);
            case "$let" -> {
                Expressions scope = this;
                for (var binding : ((Document) ((Document) argument).get("vars")).entrySet()) {
                    scope = scope.with(binding.getKey(), value(binding.getValue()));
                }
                yield scope.value(((Document) argument).get("in"));
            }
            case "$map" -> elements(operator, argument, (scope, element) -> scope.valueOrNull(((Document) argument).get("in")));
            case "$filter" -> elements(operator, argument,
                (scope, element) -> scope.isTrue(((Document) argument).get("cond")) ? element : Missing.getInstance());
            case "$reduce" -> {
                Object[] result = {value(((Document) argument).get("initialValue"))};
                Object passed = elements(operator, argument, (scope, element) ->
                    result[0] = scope.with("value", result[0]).value(((Document) argument).get("in")));
                yield passed == null ? null : result[0];
            }
            case "$regexMatch" -> regexMatch((Document) argument);
            case "$type" -> type(value(argument instanceof List<?> single ? single.get(0) : argument));
            case "$first" -> library("$arrayElemAt", List.of(argument, 0));
            case "$last" -> library("$arrayElemAt", List.of(argument, -1));
            default -> library(operator, argument);
        };
    }

    private static List<?> list(Object argument) {
        return argument instanceof List<?> list ? list : Collections.singletonList(argument);
    }

    private Object cond(List<?> parts) {
        if (parts.size() != 3) {
            throw ErrorCodes.error(16020,
                "Expression $cond takes exactly 3 arguments. " + parts.size() + " were passed in.");
        }
        return value(parts.get(isTrue(parts.get(0)) ? 1 : 2));
    }

    private Object ifNull(List<?> parts) {
        Object value = null;
        for (Object part : parts) {
            value = value(part);
            if (!Missing.isNullOrMissing(value)) {
                return value;
            }
        }
        return value;
    }

    private Object branch(Document argument) {
        for (Object branch : (List<?>) argument.get("branches")) {
            if (isTrue(((Document) branch).get("case"))) {
                return value(((Document) branch).get("then"));
            }
        }
        if (!argument.containsKey("default")) {
            throw ErrorCodes.error(40066,
                "$switch could not find a matching branch for an input, and no default was specified.");
        }
        return value(argument.get("default"));
    }

    private interface Step {
        Object of(Expressions scope, Object element);
    }

    /** The step's results for each element of the input, with the element as a variable; null where there is no input. */
    private Object elements(String operator, Object argument, Step step) {
        Document named = (Document) argument;
        Object input = value(named.get("input"));
        if (Missing.isNullOrMissing(input)) {
            return null;
        }
        if (!(input instanceof Collection<?> elements)) {
            int code = Map.of("$map", 16883, "$filter", 28651, "$reduce", 40080).get(operator);
            throw ErrorCodes.error(code, "input to " + operator + " must be an array");
        }
        Object as = named.getOrDefault("as", "this");
        return elements.stream().map(element -> step.of(with(as, element), element))
            .filter(result -> !(result instanceof Missing)).collect(Collectors.toList());
    }

    private Object regexMatch(Document argument) {
        Object input = value(argument.get("input"));
        Object regex = value(argument.get("regex"));
        if (Missing.isNullOrMissing(input) || Missing.isNullOrMissing(regex)) {
            return false;
        }
        if (!(input instanceof String text)) {
            throw ErrorCodes.error(51104, "$regexMatch needs 'input' to be of type string");
        }
        Object options = value(argument.get("options"));
        BsonRegularExpression expression = regex instanceof BsonRegularExpression given && options == null ? given
            : new BsonRegularExpression(regex instanceof BsonRegularExpression given ? given.getPattern()
                : regex.toString(), options == null ? "" : options.toString());
        return expression.matcher(text).find();
    }

    private static String type(Object value) {
        if (value instanceof Missing) {
            return "missing";
        }
        return Arrays.stream(BsonType.values()).filter(type -> type.matches(value)).map(BsonType::getAlias)
            .findFirst().orElse("regex");
    }

    /** The value of an operator of the library, whose arguments are values by now. */
    private Object library(String operator, Object argument) {
        boolean compares = COMPARISONS.contains(operator);
        Object values;
        if (argument instanceof Document named && named.containsKey("date")) {
            Document literals = new Document();
            named.forEach((name, part) -> literals.put(name, literal(valueOrNull(part))));
            values = literals;
        } else if (argument instanceof List<?> arguments) {
            values = arguments.stream().map(this::value).map(value -> compares && Query.isNaN(value) ? LEAST : literal(value))
                .collect(Collectors.toList());
        } else {
            values = literal(value(argument));
        }
        if (operator.equals("$objectToArray") && Missing.isNullOrMissing(values)) {
            return null;
        }
        // In a $map, as a document that comes out by itself would be evaluated once more.
        Document once = new Document("$map", new Document("input", List.of(1)).append("in", new Document(operator, values)));
        Object result = ((List<?>) Expression.evaluateDocument(once, new Document())).get(0);
        return result instanceof Collection<?> set && !(set instanceof List) ? new ArrayList<>(set) : result;
    }

    private static Object literal(Object value) {
        return value instanceof Document || value instanceof Collection || value instanceof String text && text.startsWith("$")
            ? new Document("$literal", value) : value;
    }
}
