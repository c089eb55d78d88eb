import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.io.IOException;
import java.util.*;
import java.util.function.Predicate;

/**
 * Faults on demand, by the command with which MongoDB's own tests make them:
 * {@code {configureFailPoint: "failCommand", mode: {times: 2}, data: {failCommands: ["getMore"], errorCode: 189}}}.
 *
 * @see <a href="https://github.com/mongodb/mongo/wiki/The-%22failCommand%22-Fail-Point">failCommand</a>
 * @see <a href="https://github.com/mongodb/specifications/blob/master/source/retryable-writes/tests/README.md">
 *      onPrimaryTransactionalWrite</a>
 */
final class FailPoint {

    private static final int ALWAYS = Integer.MAX_VALUE;

    private Document data = new Document();
    private int skip;
    private int times;
    private long count;

    /**
     * Takes the command that sets or lifts the fault.
     *
     * @return the reply: how often it has come about so far
     * @throws MongoServerError 2, 9, 72 or 40415 when it is not one that is known here
     */
    synchronized Document configure(Document command) {
        String name = (String) command.get("configureFailPoint");
        Document mode = command.get("mode") instanceof Document given ? given
            : new Document("times", Map.of("off", 0, "alwaysOn", ALWAYS).get(command.get("mode")));
        if (!(mode.getOrDefault("times", mode.get("skip")) instanceof Integer n) || mode.size() > 1 || n < 0) {
            throw ErrorCodes.error(9, "mode is one of \"off\", \"alwaysOn\", {times: N}, {skip: N}");
        }
        Document fault = (Document) command.getOrDefault("data", new Document());
        Fields.check(name, fault);
        boolean unnamed = name.equals("failCommand") && !(fault.get("failCommands") instanceof Collection);
        ErrorCodes.require(!unnamed || n.equals(0), 9, "data.failCommands must be an array of command names");
        boolean blocks = Boolean.TRUE.equals(fault.get("blockConnection"));
        ErrorCodes.require(!blocks || fault.get("blockTimeMS") instanceof Number, 72,
            "with blockConnection: true, blockTimeMS must be a number");
        // MongoDB's tests send closeConnection to failGetMoreAfterCursorCheckout as well, where it says nothing.
        data = name.equals("failGetMoreAfterCursorCheckout")
            ? new Document("errorCode", fault.getOrDefault("errorCode", 1)) : fault;
        skip = mode.containsKey("skip") ? n : 0;
        times = mode.containsKey("skip") ? ALWAYS : n;
        return new Document("count", count).append("ok", 1.0);
    }

    /** The fault's data if it comes about now, else null. */
    synchronized Document enter(Predicate<Document> concerns) {
        if (times == 0 || !concerns.test(data)) {
            return null;
        }
        if (skip > 0) {
            skip--;
            return null;
        }
        times -= times == ALWAYS ? 0 : 1;
        count++;
        return data;
    }

    /**
     * Lets the fault come about, but for what it does to an answer.
     *
     * @param fault null for none
     * @throws IOException      to close the connection
     * @throws MongoServerError with the code asked for
     */
    static void raise(Document fault) throws IOException, InterruptedException {
        if (fault == null) {
            return;
        }
        if (Boolean.TRUE.equals(fault.get("blockConnection"))) {
            Thread.sleep(((Number) fault.get("blockTimeMS")).longValue());
        }
        if (Boolean.TRUE.equals(fault.get("closeConnection"))) {
            throw new IOException("closed by a fail point");
        }
        if (fault.get("errorCode") instanceof Number code) {
            throw ErrorCodes.error(code.intValue(), "Failing command via fail point");
        }
    }
}
