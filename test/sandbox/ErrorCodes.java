import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.*;

import java.util.*;
import java.util.stream.*;

/**
 * The server's error codes as far as the sandbox names them, and what drivers may do after each.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/error-codes/">Error Codes</a>
 */
final class ErrorCodes {

    private static final Map<Integer, String> NAMES = Stream.of("""
        1 InternalError, 2 BadValue, 6 HostUnreachable, 7 HostNotFound, 8 UnknownError, 9 FailedToParse,
        13 Unauthorized, 14 TypeMismatch, 15 Overflow, 18 AuthenticationFailed, 20 IllegalOperation,
        26 NamespaceNotFound, 27 IndexNotFound, 43 CursorNotFound, 47 NoMatchingDocument, 48 NamespaceExists,
        50 MaxTimeMSExpired, 52 DollarPrefixedFieldName, 59 CommandNotFound, 63 StaleShardVersion, 66 ImmutableField,
        72 InvalidOptions, 73 InvalidNamespace, 76 NoReplicationEnabled, 89 NetworkTimeout, 91 ShutdownInProgress,
        133 FailedToSatisfyReadPreference, 136 CappedPositionLost, 150 StaleEpoch, 168 InvalidPipelineOperator,
        189 PrimarySteppedDown, 234 RetryChangeStream, 238 NotImplemented, 260 InvalidResumeToken,
        262 ExceededTimeLimit, 263 OperationNotSupportedInTransaction, 280 ChangeStreamFatalError,
        286 ChangeStreamHistoryLost, 9001 SocketException, 10107 NotWritablePrimary, 10334 BSONObjectTooLarge,
        11000 DuplicateKey, 11600 InterruptedAtShutdown, 11601 Interrupted, 11602 InterruptedDueToReplStateChange,
        13388 StaleConfig, 13435 NotPrimaryNoSecondaryOk, 13436 NotPrimaryOrSecondary
        """.strip().split(",\\s+")).map(entry -> entry.split(" "))
        .collect(Collectors.toMap(entry -> Integer.valueOf(entry[0]), entry -> entry[1]));
    private static final Set<Integer> RETRYABLE_WRITE =
        Set.of(6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436);
    private static final Set<Integer> RESUMABLE =
        Set.of(6, 7, 63, 89, 91, 133, 150, 189, 234, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436);

    private ErrorCodes() {
    }

    static String name(int code) {
        return NAMES.getOrDefault(code, "Location" + code);
    }

    /** An error with the name of its code. */
    static MongoServerError error(int code, String message) {
        return new MongoServerError(code, name(code), message);
    }

    /** Throws {@link #error(int, String)} unless it holds. */
    static void require(boolean holds, int code, String message) {
        if (!holds) {
            throw error(code, message);
        }
    }

    /** What every error has in a reply, alone or among write errors. */
    static Document describe(MongoServerException error) {
        int code = error instanceof MongoServerError numbered ? numbered.getCode() : 8;
        Document description = new Document("code", code);
        description.putAll(error instanceof DuplicateKey duplicate ? duplicate.details : Map.of());
        return description.append("errmsg", error.getMessageWithoutErrorCode());
    }

    /** The error label that a server sends with the code, or null. */
    static String label(int code, boolean ofChangeStream, boolean retryableWrite) {
        if (code == 280 || code == 286) {
            return "NonResumableChangeStreamError";
        }
        if (ofChangeStream && RESUMABLE.contains(code)) {
            return "ResumableChangeStreamError";
        }
        return retryableWrite && RETRYABLE_WRITE.contains(code) ? "RetryableWriteError" : null;
    }
}
