package smart

import "strconv"

// The codes of a [LaunchError].
const (
	IssUnknown      = "iss-unknown"      // a launch from an EHR that is not configured; nothing was fetched
	StateUnknown    = "state-unknown"    // a callback nobody here waits for: foreign, replayed or too late
	Denied          = "denied"           // the EHR answered the authorize request with an error
	Unreachable     = "unreachable"      // the EHR's sign-in did not answer
	Unfit           = "unfit"            // its smart-configuration lacks what a launch needs
	Expired         = "expired"          // the code, or the refresh token, is not valid any more: launch again
	TokenRefused    = "token-refused"    // the token endpoint refused the client, its scopes or the request
	TokenResponse   = "token-response"   // the token endpoint's answer breaks the standard
	IDToken         = "id-token"         // who signed in could not be verified
	NoPatient       = "no-patient"       // a launch without a patient where one is needed
	NoUser          = "no-user"          // a launch without fhirUser
	ContextChanged  = "context-changed"  // a refresh came with another patient or user
	RevocationFails = "revocation-fails" // the tokens may live on until they expire
)

// LaunchError says why a launch, or what follows from it, does not go on. Its text is for the person in front of the screen:
// what happened, what to do, and who. It holds codes and our own words, never tokens, context or what a server wrote.
type LaunchError struct {
	Code   string // one of the codes above
	OAuth  string // the OAuth error code of the server, "" where there was none
	Status int    // the HTTP status, 0 where there was no answer
	Detail string // what exactly is wrong, our words; "" where Code says it
	cause  error
}

// sentences has, for each code, what happened and who does what.
var sentences = map[string]string{
	IssUnknown:      "This launch names an EHR that is not connected here. An administrator compares the EHR's FHIR address with base_url in the Chartwire configuration.",
	StateUnknown:    "This sign-in was not started in this window, was used already, or took too long. Open Messages again from the EHR.",
	Denied:          "The EHR did not let you in. Open Messages again; if it stays so, the EHR administrator checks that you may use this app and that its registration has the scopes and addresses of Chartwire.",
	Unreachable:     "The EHR's sign-in could not be reached. Try again in a minute; if it stays so, the interface engineer checks the way to the EHR.",
	Unfit:           "What the EHR says of its sign-in lacks what a launch needs. The EHR administrator, or the EHR's vendor, has to complete its smart-configuration.",
	Expired:         "Your sign-in at the EHR has ended. Open Messages again from the EHR.",
	TokenRefused:    "The EHR refused this app at sign-in. The EHR administrator compares the app's registration (client id, key or secret, redirect address, scopes) with Chartwire's.",
	TokenResponse:   "The EHR's answer at sign-in was not usable, so nobody is signed in. The EHR's vendor has to correct it.",
	IDToken:         "Who you are at the EHR could not be verified, so nobody is signed in. The EHR administrator compares issuer and keys of its sign-in with launch.issuer in the Chartwire configuration.",
	NoPatient:       "The EHR opened Messages without a patient. Open it again from the patient's chart.",
	NoUser:          "The EHR did not say who you are. The EHR administrator grants this app the scopes openid and fhirUser.",
	ContextChanged:  "The EHR renewed this sign-in for another patient or user, so it was ended. Open Messages again from the EHR.",
	RevocationFails: "You are signed out here, but the EHR did not confirm that it ended the sign-in; it ends by itself when it expires.",
}

// Error implements error.
func (e *LaunchError) Error() string {
	out := sentences[e.Code]
	if out == "" {
		out = "The sign-in at the EHR did not work (" + e.Code + "). Open Messages again from the EHR."
	}
	var why string
	add := func(s string) {
		if s != "" && why != "" {
			why += ", "
		}
		why += s
	}
	add(e.Detail)
	add(e.OAuth)
	if e.Status != 0 {
		add("HTTP " + strconv.Itoa(e.Status))
	}
	if why != "" {
		out += " (" + why + ")"
	}
	return out
}

// Unwrap gives the cause, for errors.Is and errors.As.
func (e *LaunchError) Unwrap() error { return e.cause }

// DeniedBy is the LaunchError of a callback with an error parameter. Only an OAuth error code is kept of it, never
// error_description (REQ 6).
func DeniedBy(code string) *LaunchError {
	e := &LaunchError{Code: Denied}
	if errorCode.MatchString(code) {
		e.OAuth = code
	}
	return e
}

// GetError is a read with a user's token that gave nothing.
type GetError struct {
	Status int    // 401: refresh once and ask again; 403: not for this user; 404, 410: not there; 0: no answer
	Why    string // a phrase for people; nothing of the answer
}

// Error implements error.
func (e *GetError) Error() string { return "reading with the user's token: " + e.Why }
