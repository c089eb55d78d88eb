import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;

/**
 * The server's error codes as far as the sandbox names them, and what drivers may do after each.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/error-codes/">Error Codes</a>
 */
final class ErrorCodes {

    private static final Map<Integer, String> NAMES = Map.ofEntries(
        Map.entry(1, "InternalError"), Map.entry(2, "BadValue"), Map.entry(6, "HostUnreachable"),
        Map.entry(7, "HostNotFound"), Map.entry(8, "UnknownError"), Map.entry(9, "FailedToParse"),
        Map.entry(13, "Unauthorized"), Map.entry(14, "TypeMismatch"), Map.entry(15, "Overflow"),
        Map.entry(18, "AuthenticationFailed"), Map.entry(20, "IllegalOperation"), Map.entry(26, "NamespaceNotFound"),
        Map.entry(27, "IndexNotFound"), Map.entry(43, "CursorNotFound"), Map.entry(47, "NoMatchingDocument"),
        Map.entry(48, "NamespaceExists"), Map.entry(50, "MaxTimeMSExpired"), Map.entry(52, "DollarPrefixedFieldName"),
        Map.entry(59, "CommandNotFound"), Map.entry(63, "StaleShardVersion"), Map.entry(66, "ImmutableField"),
        Map.entry(72, "InvalidOptions"), Map.entry(73, "InvalidNamespace"), Map.entry(76, "NoReplicationEnabled"),
        Map.entry(89, "NetworkTimeout"), Map.entry(91, "ShutdownInProgress"),
        Map.entry(133, "FailedToSatisfyReadPreference"), Map.entry(136, "CappedPositionLost"),
        Map.entry(150, "StaleEpoch"), Map.entry(168, "InvalidPipelineOperator"), Map.entry(189, "PrimarySteppedDown"),
        Map.entry(234, "RetryChangeStream"), Map.entry(238, "NotImplemented"), Map.entry(260, "InvalidResumeToken"),
        Map.entry(262, "ExceededTimeLimit"), Map.entry(263, "OperationNotSupportedInTransaction"),
        Map.entry(280, "ChangeStreamFatalError"), Map.entry(286, "ChangeStreamHistoryLost"),
        Map.entry(9001, "SocketException"), Map.entry(10107, "NotWritablePrimary"),
        Map.entry(10334, "BSONObjectTooLarge"), Map.entry(11000, "DuplicateKey"),
        Map.entry(11600, "InterruptedAtShutdown"), Map.entry(11601, "Interrupted"),
        Map.entry(11602, "InterruptedDueToReplStateChange"), Map.entry(13388, "StaleConfig"),
        Map.entry(13435, "NotPrimaryNoSecondaryOk"), Map.entry(13436, "NotPrimaryOrSecondary"));

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
