import de.bwaldvogel.mongo.backend.Missing;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;
import java.util.stream.IntStream;

/**
 * What an update event says of an update: which paths it set to which value, and which it removed.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/change-events/update/">update Event</a>
 */
final class UpdateDescription {

    private final Document before;
    private final Document after;
    private final SortedMap<String, Object> updated = new TreeMap<>(this::compare);
    private final List<String> removed = new ArrayList<>();

    private UpdateDescription(Document before, Document after) {
        this.before = before;
        this.after = after;
    }

    /** Whether the update is a whole document rather than update operators. */
    static boolean isReplacement(Document update) {
        return update.keySet().stream().noneMatch(key -> key.startsWith("$"));
    }

    /** The description of an update by operators that turned one document into the other. */
    static Document of(Document update, Document before, Document after) {
        UpdateDescription description = new UpdateDescription(before, after);
        for (String operator : update.keySet()) {
            for (var change : ((Document) update.get(operator)).entrySet()) {
                description.describe(operator, change.getKey());
                if (operator.equals("$rename")) {
                    description.describe(operator, change.getValue().toString());
                }
            }
        }
        return new Document("updatedFields", new Document(description.updated))
            .append("removedFields", description.removed).append("truncatedArrays", List.of());
    }

    private void describe(String operator, String path) {
        int filter = path.indexOf(".$[");
        if (filter >= 0) {
            describeElements(operator, path, path.substring(0, filter));
            return;
        }
        Object old = get(before, path);
        Object now = get(after, path);
        if (Objects.equals(now, old)) {
            return;
        }
        if (now instanceof Missing) {
            removed.add(path);
        } else if (operator.equals("$push") && old instanceof List<?> head && now instanceof List<?> all
            && all.size() > head.size() && all.subList(0, head.size()).equals(head)) {
            IntStream.range(head.size(), all.size()).forEach(i -> updated.put(path + "." + i, all.get(i)));
        } else {
            set(path);
        }
    }

    /** One changed element of an array is named by its index; where several changed, the array stands as a whole. */
    private void describeElements(String operator, String path, String array) {
        List<?> old = (List<?>) get(before, array);
        List<?> now = (List<?>) get(after, array);
        List<Integer> changed = IntStream.range(0, now.size())
            .filter(i -> !Objects.equals(now.get(i), old.get(i))).boxed().toList();
        if (changed.size() == 1) {
            describe(operator, array + "." + changed.get(0) + path.substring(path.indexOf(']') + 1));
        } else if (!changed.isEmpty()) {
            updated.put(array, now);
        }
    }

    /** Where parents were missing as well, the topmost of them is what was set. */
    private void set(String path) {
        String top = path;
        for (int dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
            String parent = path.substring(0, dot);
            top = get(before, parent) instanceof Missing ? parent : top;
        }
        updated.put(top, get(after, top));
    }

    /**
     * The order of a server's {@code updatedFields}: of each document first the fields that changed, then the new ones,
     * then what changed within others, each by name; of an array by index.
     */
    private int compare(String one, String other) {
        List<String> first = List.of(one.split("\\."));
        List<String> second = List.of(other.split("\\."));
        int depth = 0;
        while (depth < first.size() && depth < second.size() && first.get(depth).equals(second.get(depth))) {
            depth++;
        }
        if (depth == first.size() || depth == second.size()) {
            return first.size() - second.size();
        }
        if (get(after, String.join(".", first.subList(0, depth))) instanceof List) {
            return Integer.parseInt(first.get(depth)) - Integer.parseInt(second.get(depth));
        }
        int kind = kind(first, depth) - kind(second, depth);
        return kind != 0 ? kind : first.get(depth).compareTo(second.get(depth));
    }

    private int kind(List<String> path, int depth) {
        if (depth < path.size() - 1) {
            return 2;
        }
        return get(before, String.join(".", path)) instanceof Missing ? 1 : 0;
    }

    private static Object get(Document document, String path) {
        Object value = document;
        for (String name : path.split("\\.")) {
            value = value instanceof Document fields ? fields.getOrMissing(name)
                : value instanceof List<?> list && name.matches("\\d{1,9}") && Integer.parseInt(name) < list.size()
                ? list.get(Integer.parseInt(name)) : Missing.getInstance();
        }
        return value;
    }

    /** The update with the positional {@code $} replaced by the index of the element that the filter found. */
    static Document position(Document update, Document selector, Document found) {
        Document result = new Document();
        update.forEach((operator, changes) -> {
            Document positioned = new Document();
            ((Document) changes).forEach((path, value) -> positioned.put(position(path, selector, found), value));
            result.put(operator, positioned);
        });
        return result;
    }

    private static String position(String path, Document selector, Document found) {
        int at = (path + ".").indexOf(".$.");
        if (at < 0) {
            return path;
        }
        String array = path.substring(0, at);
        Integer index = get(found, array) instanceof List<?> list ? Query.position(selector, array, list) : null;
        ErrorCodes.require(index != null, 2, "The positional operator did not find the match needed from the query.");
        return array + "." + index + path.substring(at + 2);
    }
}
