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
    @SuppressWarnings("unchecked")
    static void validate(Document query) {
        query.forEach((key, condition) -> {
            if (LOGICAL.contains(key)) {
                check(condition instanceof List<?> parts && !parts.isEmpty()
                    && parts.stream().allMatch(Document.class::isInstance), key + " needs a nonempty array of objects");
                ((List<Document>) condition).forEach(Query::validate);
            } else if (key.equals("$expr")) {
                Expressions.validate(condition);
            } else if (!key.equals("$comment")) {
                check(!key.startsWith("$"), "unknown top level operator: " + key);
                validateCondition(condition);
            }
        });
    }

    private static void validateCondition(Object condition) {
        if (isOperators(condition)) {
            ((Document) condition).forEach(Query::validateOperator);
        }
    }

    private static void validateOperator(String operator, Object argument) {
        check(OPERATORS.contains(operator), "unknown operator: " + operator);
        switch (operator) {
            case "$not" -> {
                check(isOperators(argument) || argument instanceof BsonRegularExpression, "$not needs a filter");
                validateCondition(argument);
            }
            case "$elemMatch" -> {
                check(argument instanceof Document, "$elemMatch needs an Object");
                if (isValueCondition((Document) argument)) {
                    validateCondition(argument);
                } else {
                    validate((Document) argument);
                }
            }
            case "$in", "$nin", "$all" -> check(argument instanceof Collection, operator + " needs an array");
            default -> { }
        }
    }

    private static void check(boolean holds, String message) {
        ErrorCodes.require(holds, 2, message);
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
            default -> isOperators(condition) ? meetsAll(document, key, (Document) condition)
                : LIBRARY.matches(document, new Document(key, condition));
        };
    }

    private static boolean meetsAll(Document document, String path, Document operators) {
        for (String operator : operators.keySet()) {
            if (!meets(document, path, operator, operators)) {
                return false;
            }
        }
        return true;
    }

    private static boolean meets(Document document, String path, String operator, Document operators) {
        Object argument = operators.get(operator);
        return switch (operator) {
            case "$not" -> !matches(document, path, argument);
            case "$ne" -> !matches(document, path, new Document("$eq", argument));
            case "$nin" -> !matches(document, path, new Document("$in", argument));
            case "$exists" -> Utils.isTrue(argument)
                == LIBRARY.matches(document, new Document(path, new Document("$exists", true)));
            case "$elemMatch" -> hasElement(document, List.of(path.split("\\.")), (Document) argument);
            case "$regex" -> matches(document, path, BsonRegularExpression.convertToRegularExpression(operators));
            case "$options" -> true;
            default -> compares(document, path, operator, argument);
        };
    }

    static boolean isNaN(Object value) {
        return value instanceof Number number && Double.isNaN(number.doubleValue());
    }

    /** NaN is neither above nor below a number; the library takes it for the greatest. */
    private static boolean compares(Document document, String path, String operator, Object argument) {
        Document condition = new Document(operator, argument);
        if (ORDERS.contains(operator) && isNaN(argument)) {
            return operator.endsWith("e") && LIBRARY.matches(document, new Document(path, argument));
        }
        if (operator.startsWith("$gt") && argument instanceof Number) {
            condition.put("$lte", Double.POSITIVE_INFINITY);
        }
        return LIBRARY.matches(document, new Document(path, condition));
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
