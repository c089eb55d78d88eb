import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.io.IOException;
import java.util.Collection;
import java.util.List;

/**
 * Faults on demand, in the shape of the command with which MongoDB's own tests make them:
 * {@code {configureFailPoint: "failCommand", mode: {times: 2}, data: {failCommands: ["getMore"], errorCode: 189}}}.
 *
 * @see <a href="https://github.com/mongodb/mongo/wiki/The-%22failCommand%22-Fail-Point">The "failCommand" Fail Point</a>
 */
final class FailPoint {

    /** What a command is answered with instead of being run. */
    static final class Fault extends MongoServerError {
        private static final long serialVersionUID = 1L;
        final transient List<?> labels;

        Fault(int code, List<?> labels) {
            super(code, ErrorCodes.name(code), "Failing command via 'failCommand' failpoint");
            this.labels = labels;
        }
    }

    private Document data = new Document();
    private int times;

    /**
     * Takes the command that sets or lifts the fault.
     *
     * @throws MongoServerError 2 or 9 when it is not one that is known here
     */
    synchronized void configure(Document command) {
        if (!"failCommand".equals(command.get("configureFailPoint"))) {
            throw new MongoServerError(2, "BadValue", "the only fail point here is failCommand");
        }
        Object mode = command.get("mode");
        int count = "off".equals(mode) ? 0 : "alwaysOn".equals(mode) ? Integer.MAX_VALUE
            : mode instanceof Document limit && limit.get("times") instanceof Number number ? number.intValue() : -1;
        if (count < 0) {
            throw new MongoServerError(9, "FailedToParse", "mode is one of \"off\", \"alwaysOn\", {times: N}");
        }
        if (count > 0 && !(command.get("data") instanceof Document fault
            && fault.get("failCommands") instanceof Collection)) {
            throw new MongoServerError(9, "FailedToParse", "data.failCommands must be an array of command names");
        }
        data = (Document) command.getOrDefault("data", new Document());
        times = count;
    }

    /**
     * Fails the command if it is one of those.
     *
     * @throws IOException      to close the connection
     * @throws MongoServerError with the code asked for
     */
    void check(String command) throws IOException, InterruptedException {
        Document fault;
        synchronized (this) {
            if (times == 0 || !((Collection<?>) data.get("failCommands")).contains(command)) {
                return;
            }
            times -= times == Integer.MAX_VALUE ? 0 : 1;
            fault = data;
        }
        if (fault.get("blockTimeMS") instanceof Number millis) {
            Thread.sleep(millis.longValue());
        }
        if (Boolean.TRUE.equals(fault.get("closeConnection"))) {
            throw new IOException("closed by failCommand");
        }
        if (fault.get("errorCode") instanceof Number code) {
            throw new Fault(code.intValue(), (List<?>) fault.get("errorLabels"));
        }
    }
}
