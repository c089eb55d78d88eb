import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;

/**
 * Matches documents with query filters. The library matches one positive condition at a time; what it gets wrong on
 * arrays is here: several conditions on one field, negations, {@code $elemMatch}, and the positional {@code $}.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/tutorial/query-arrays/">Query an Array</a>
 */
final class Query {

    private static final QueryMatcher LIBRARY = new DefaultQueryMatcher();
    private static final Set<String> LOGICAL = Set.of("$and", "$or", "$nor");
    private static final Set<String> OPERATORS = Set.of("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin",
        "$not", "$exists", "$type", "$mod", "$size", "$all", "$elemMatch", "$regex", "$options");
    private static final Set<String> ORDERS = Set.of("$gt", "$gte", "$lt", "$lte");
    private static final Set<String> REFERENCE = Set.of("$ref", "$id", "$db");

    private Query() {
    }

    /**
     * Refuses a filter that no document could be matched with.
     *
     * @throws MongoServerError 2 BadValue
     */
    static void validate(Document query) {
        for (Map.Entry<String, Object> entry : query.entrySet()) {
            if (LOGICAL.contains(entry.getKey())) {
                if (!(entry.getValue() instanceof List<?> parts) || parts.isEmpty()) {
                    throw badValue(entry.getKey() + " must be a nonempty array");
                }
                for (Object part : parts) {
                    if (!(part instanceof Document filter)) {
                        throw badValue("$or/$and/$nor entries need to be full objects");
                    }
                    validate(filter);
                }
            } else if (entry.getKey().startsWith("$")) {
                if (entry.getKey().equals("$expr")) {
                    Expressions.validate(entry.getValue());
                } else if (!entry.getKey().equals("$comment")) {
                    throw badValue("unknown top level operator: " + entry.getKey());
                }
            } else {
                validateCondition(entry.getValue());
            }
        }
    }

    private static void validateCondition(Object condition) {
        if (!isOperators(condition)) {
            return;
        }
        for (Map.Entry<String, Object> operator : ((Document) condition).entrySet()) {
            Object argument = operator.getValue();
            switch (operator.getKey()) {
                case "$not" -> {
                    if (!isOperators(argument) && !(argument instanceof BsonRegularExpression)) {
                        throw badValue("$not needs a regex or a document");
                    }
                    validateCondition(argument);
                }
                case "$elemMatch" -> {
                    if (!(argument instanceof Document filter)) {
                        throw badValue("$elemMatch needs an Object");
                    }
                    if (isValueCondition(filter)) {
                        validateCondition(filter);
                    } else {
                        validate(filter);
                    }
                }
                case "$in", "$nin", "$all" -> {
                    if (!(argument instanceof Collection)) {
                        throw badValue(operator.getKey() + " needs an array");
                    }
                }
                default -> {
                    if (!OPERATORS.contains(operator.getKey())) {
                        throw badValue("unknown operator: " + operator.getKey());
                    }
                }
            }
        }
    }

    private static MongoServerError badValue(String message) {
        return ErrorCodes.error(2, message);
    }

    /** Whether the document matches the filter. */
    static boolean matches(Document document, Document query) {
        for (Map.Entry<String, Object> entry : query.entrySet()) {
            if (!matches(document, entry.getKey(), entry.getValue())) {
                return false;
            }
        }
        return true;
    }

    @SuppressWarnings("unchecked")
    private static boolean matches(Document document, String key, Object condition) {
        return switch (key) {
            case "$and" -> ((List<Document>) condition).stream().allMatch(part -> matches(document, part));
            case "$or" -> ((List<Document>) condition).stream().anyMatch(part -> matches(document, part));
            case "$nor" -> ((List<Document>) condition).stream().noneMatch(part -> matches(document, part));
            case "$expr" -> Utils.isTrue(Expressions.evaluate(condition, document));
            case "$comment" -> true;
            default -> isOperators(condition) ? matchesAll(document, key, (Document) condition)
                : LIBRARY.matches(document, new Document(key, condition));
        };
    }

    private static boolean matchesAll(Document document, String path, Document operators) {
        for (Map.Entry<String, Object> operator : operators.entrySet()) {
            Object argument = operator.getValue();
            boolean matches = switch (operator.getKey()) {
                case "$not" -> !matches(document, path, argument);
                case "$ne" -> !matches(document, path, new Document("$eq", argument));
                case "$nin" -> !matches(document, path, new Document("$in", argument));
                case "$exists" -> Utils.isTrue(argument)
                    == LIBRARY.matches(document, new Document(path, new Document("$exists", true)));
                case "$elemMatch" -> hasElement(document, List.of(path.split("\\.")), (Document) argument);
                case "$regex" -> LIBRARY.matches(document, new Document(path, regex(operators)));
                case "$options" -> true;
                default -> compares(document, path, operator.getKey(), argument);
            };
            if (!matches) {
                return false;
            }
        }
        return true;
    }

    static boolean isNaN(Object value) {
        return value instanceof Number number && Double.isNaN(number.doubleValue());
    }

    /** NaN is neither above nor below a number; the library takes it for the greatest. */
    private static boolean compares(Document document, String path, String operator, Object argument) {
        Document condition = new Document(path, new Document(operator, argument));
        if (ORDERS.contains(operator) && isNaN(argument)) {
            return operator.endsWith("e") && LIBRARY.matches(document, new Document(path, argument));
        }
        boolean matches = LIBRARY.matches(document, condition);
        if (matches && operator.startsWith("$gt") && argument instanceof Number) {
            String top = path.split("\\.", 2)[0];
            return LIBRARY.matches(new Document(top, withoutNaN(document.get(top))), condition);
        }
        return matches;
    }

    private static Object withoutNaN(Object value) {
        if (value instanceof Document document) {
            Document result = new Document();
            document.forEach((name, field) -> result.put(name, withoutNaN(field)));
            return result;
        }
        return value instanceof List<?> list ? list.stream().map(Query::withoutNaN).toList() : isNaN(value) ? null
            : value;
    }

    private static Document regex(Document operators) {
        Document regex = new Document("$regex", operators.get("$regex"));
        regex.putIfNotNull("$options", operators.get("$options"));
        return regex;
    }

    private static boolean hasElement(Object value, List<String> path, Document condition) {
        if (path.isEmpty()) {
            return value instanceof Collection<?> array
                && array.stream().anyMatch(element -> matchesElement(element, condition));
        }
        List<String> rest = path.subList(1, path.size());
        if (value instanceof Document document) {
            return hasElement(document.get(path.get(0)), rest, condition);
        }
        if (value instanceof List<?> array) {
            return path.get(0).matches("\\d{1,9}") && Integer.parseInt(path.get(0)) < array.size()
                && hasElement(array.get(Integer.parseInt(path.get(0))), rest, condition)
                || array.stream().anyMatch(e -> e instanceof Document && hasElement(e, path, condition));
        }
        return false;
    }

    private static boolean matchesElement(Object element, Document condition) {
        if (isValueCondition(condition)) {
            return matches(new Document("element", element), "element", condition);
        }
        return element instanceof Document document && matches(document, condition);
    }

    /** Conditions on the element itself, as in {@code {$gt: 1}}, rather than on its fields. */
    private static boolean isValueCondition(Document condition) {
        return isOperators(condition) && condition.keySet().stream().noneMatch(
            key -> LOGICAL.contains(key) || key.equals("$expr"));
    }

    private static boolean isOperators(Object condition) {
        return condition instanceof Document document && !document.isEmpty()
            && document.keySet().iterator().next().startsWith("$")
            && !REFERENCE.contains(document.keySet().iterator().next());
    }

    /**
     * What the positional {@code $} stands for: the index of the first element of the array that the filter matches.
     *
     * @return null when the filter has no condition on the array, or none that one element meets
     * @see <a href="https://www.mongodb.com/docs/manual/reference/operator/update/positional/">$ (update)</a>
     */
    @SuppressWarnings("unchecked")
    static Integer position(Document query, String arrayPath, List<?> array) {
        for (Map.Entry<String, Object> entry : query.entrySet()) {
            Integer found = null;
            if (entry.getKey().equals("$and") || entry.getKey().equals("$or")) {
                for (Document part : (List<Document>) entry.getValue()) {
                    found = found == null ? position(part, arrayPath, array) : found;
                }
            } else if (entry.getKey().equals(arrayPath) || entry.getKey().startsWith(arrayPath + ".")) {
                for (int i = 0; i < array.size() && found == null; i++) {
                    Document alone = new Document();
                    Utils.changeSubdocumentValue(alone, arrayPath, Collections.singletonList(array.get(i)));
                    found = matches(alone, entry.getKey(), entry.getValue()) ? i : null;
                }
            }
            if (found != null) {
                return found;
            }
        }
        return null;
    }
}
