package inbox

// Why says why a session is over.
type Why string

// The ends of a session.
const (
	EndedIdle     Why = "idle"
	EndedLife     Why = "life"
	EndedSignOut  Why = "signed-out"
	EndedByAdmin  Why = "ended-by-administrator"
	EndedReplaced Why = "replaced"
	EndedByEHR    Why = "token-refused"
	EndedNoRole   Why = NoPermission
)

// sentences tell a session's end to its user.
var sentences = map[Why]string{
	EndedIdle:     "You were signed out because nothing was done for 15 minutes. Open Messages from the EHR again; what you had written is kept.",
	EndedLife:     "You were signed out because a session lasts 12 hours at most. Open Messages from the EHR again; what you had written is kept.",
	EndedSignOut:  "You have signed out. To go on, open Messages from the EHR again.",
	EndedByAdmin:  "An administrator has ended this session. Ask them before you open Messages from the EHR again.",
	EndedReplaced: "Another patient was opened in this window, and this page is over. What you had written is kept with its own patient.",
	EndedByEHR:    "The EHR has ended your sign-in. Sign in again in the EHR and open Messages from there; what you had written is kept.",
	EndedNoRole:   "The EHR does not give you a role any more that may use Messages. If you should have one, ask the EHR administrator; what you had written is kept.",
}

// Ended says that a session is over. A page shows Sentence and offers nothing else.
type Ended struct{ Why Why }

func (e *Ended) Error() string { return "the session has ended: " + string(e.Why) }

// Sentence tells the user.
func (e *Ended) Sentence() string { return sentences[e.Why] }
