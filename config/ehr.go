package config

import "time"

// EHRType is the kind of an EHR connection; it picks the adapter.
type EHRType string

// The EHR types. All but HL7v2 speak FHIR R4.
const (
	FHIR     EHRType = "fhir"
	Epic     EHRType = "epic"
	Oracle   EHRType = "oracle"
	Athena   EHRType = "athena"
	Meditech EHRType = "meditech"
	OpenEMR  EHRType = "openemr"
	HL7v2    EHRType = "hl7v2"
)

// Mode says whether a connection writes.
type Mode string

// The modes of an EHR connection.
const (
	ModeLive   Mode = "live"
	ModeShadow Mode = "shadow" // plan and gate, write nothing
	ModeOff    Mode = "off"
)

// EHR is one EHR connection, a tenant. Name is a label; the store mints the id.
// BaseURL, Backend, Launch, Watch and Probe belong to the FHIR types; Address, PlaintextTo, TLS, Match, ADT and HL7 to type hl7v2.
// What else some connections do nothing with, unused lists.
type EHR struct {
	Name              string            `yaml:"name" doc:"Label of the connection, in URLs and metrics: lower-case letters, digits, - and _." required:"true" format:"name"`
	Type              EHRType           `yaml:"type" doc:"Kind of EHR." required:"true" enum:"fhir|epic|oracle|athena|meditech|openemr|hl7v2"`
	BaseURL           string            `yaml:"base_url" doc:"FHIR R4 base address, without a trailing slash. https, except on a loopback host. Every type but hl7v2 needs it." format:"url"`
	Timezone          string            `yaml:"timezone" doc:"IANA time zone of the clinic, such as America/Chicago." required:"true" format:"timezone"`
	Organization      string            `yaml:"organization" doc:"Organization/… of the clinic: sender of automated messages, custodian, transmitter." required:"true" format:"ref:Organization"`
	IdentifierSystems map[string]string `yaml:"identifier_systems" doc:"Which of the EHR's identifier systems each of the channel's systems is." keyformat:"uri" format:"uri"`
	Backend           *Backend          `yaml:"backend" doc:"SMART Backend Services: unattended filing. Left out only for an open server."`
	Launch            *Launch           `yaml:"launch" doc:"SMART app launch: the clinician's inbox inside the EHR."`
	Roles             Roles             `yaml:"roles" doc:"What a signed-in user may do, by PractitionerRole.code."`
	Filing            Filing            `yaml:"filing" doc:"How exchanges become chart entries."`
	Watch             Watch             `yaml:"watch" doc:"Messages born in the EHR: CommunicationRequests whose medium names one of our channels."`
	Limits            Limits            `yaml:"limits" doc:"How hard Chartwire may press the EHR."`
	Probe             Probe             `yaml:"probe" doc:"What chartwire doctor --probe may write to."`
	Mode              Mode              `yaml:"mode" doc:"live; shadow plans and gates and writes nothing; off does nothing." default:"live" enum:"live|shadow|off"`

	Address     string   `yaml:"address" doc:"hl7v2: the interface engine, mllps://host:port. mllp:// (plaintext) on a loopback host, or with plaintext_to, within a private network." format:"mllp"`
	PlaintextTo []string `yaml:"plaintext_to" doc:"hl7v2: private networks patients' data may go to unencrypted, such as 10.20.30.0/24. mllp:// to another machine needs it, and connects to no address outside." format:"network"`
	TLS         *TLS     `yaml:"tls" doc:"hl7v2: certificates of the mllps connection."`
	Match       Match    `yaml:"match" doc:"hl7v2: how the right patient is known: trust-identifiers files by the channel's identifiers alone; adt compares with an ADT feed. Type hl7v2 needs it." enum:"trust-identifiers|adt"`
	ADT         *ADT     `yaml:"adt" doc:"hl7v2: where the EHR's ADT messages come in. match adt needs it."`
	HL7         *HL7     `yaml:"hl7" doc:"hl7v2: what the messages carry. Type hl7v2 needs it."`

	// Own is what the adapter's Section decoded from the key named like the type, or nil.
	Own any `yaml:"-"`
}

// Backend is a SMART Backend Services client (private_key_jwt). The token endpoint is discovered, never configured.
type Backend struct {
	ClientID string   `yaml:"client_id" doc:"Client id the EHR gave the backend client." required:"true" format:"text"`
	Key      Secret   `yaml:"key" doc:"Private key as one JWK with kid: RSA of at least 2048 bits (RS384) or EC P-384 (ES384)." required:"true" format:"jwk"`
	Scopes   []string `yaml:"scopes" doc:"Scopes to ask for instead of those the filing needs." format:"scope"`
	Origins  []string `yaml:"origins" doc:"Where the EHR's token endpoint is, where that is not base_url's host: https://host[:port]. Keys go nowhere else." format:"origin"`
}

// Launch is a SMART app launch client: asymmetric (Key), symmetric (Secret) or public (neither).
type Launch struct {
	ClientID       string   `yaml:"client_id" doc:"Client id the EHR gave the inbox." required:"true" format:"text"`
	Key            Secret   `yaml:"key" doc:"Private key as one JWK with kid; for an asymmetric client." format:"jwk"`
	Secret         Secret   `yaml:"secret" doc:"Client secret; for a symmetric client. Neither key nor secret for a public one."`
	FrameAncestors []string `yaml:"frame_ancestors" doc:"Origins of the EHR that may show the inbox in a frame, as https://host[:port]." format:"origin"`
	Issuer         string   `yaml:"issuer" doc:"Issuer of the id_token, where it is not the one the EHR's smart-configuration names." format:"issuer"`
	Clinic         string   `yaml:"clinic" doc:"Name of the clinic as patients know it, for templates." format:"text"`
	Scopes         []string `yaml:"scopes" doc:"Scopes to ask for instead of those the inbox needs; launch, openid and fhirUser are always among them." format:"scope"`
	Origins        []string `yaml:"origins" doc:"Where the EHR's authorization server is, where that is not base_url's host: https://host[:port]. Codes and keys go nowhere else." format:"origin"`
}

// Roles maps the EHR's PractitionerRole codes to our roles.
type Roles struct {
	Clinician []string `yaml:"clinician" doc:"Codes of those who read, reply as a clinician, assign and hand over." format:"text"`
	Staff     []string `yaml:"staff" doc:"Codes of those who read, reply as staff, assign and hand over." format:"text"`
	Default   Role     `yaml:"default" doc:"Role of everyone else." default:"read_only" enum:"clinician|staff|read_only|none"`
}

// Strategy is one way of filing (DESIGN §5).
type Strategy string

// The filing strategies. StrategyAuto picks the best the EHR declares, grants and has not disproven.
const (
	StrategyAuto          Strategy = "auto"
	StrategyCommunication Strategy = "communication"
	StrategyNote          Strategy = "note"
	StrategyDocument      Strategy = "document"
	StrategyMDM           Strategy = "mdm"
)

// Strategies is an ordered wish list, written as one word or as a list. [auto] stands alone.
type Strategies []Strategy

// Auto reports whether the adapter is to choose.
func (s Strategies) Auto() bool { return len(s) == 0 || len(s) == 1 && s[0] == StrategyAuto }

// Grain is how much one chart entry holds.
type Grain string

// The grains. The empty Grain means exchange.
const (
	PerExchange Grain = "exchange"
	PerThread   Grain = "thread"
)

// Proxies says what becomes of a proxy the EHR does not know.
type Proxies string

// The two ways: create a RelatedPerson, or refer to the proxy by a logical Reference.
const (
	ProxiesCreate  Proxies = "create"
	ProxiesLogical Proxies = "logical"
)

// Internal says whether internal notes are filed where the strategy can carry them.
type Internal string

// InternalAuto files internal notes under communication; InternalNever files none.
const (
	InternalAuto  Internal = "auto"
	InternalNever Internal = "never"
)

// DocStatus is DocumentReference.docStatus of what is filed.
type DocStatus string

// The two docStatus values an administrator may choose: who signs is on the EHR's page.
const (
	DocFinal       DocStatus = "final"
	DocPreliminary DocStatus = "preliminary"
)

// Filing is the filing policy of one EHR connection.
type Filing struct {
	As        Strategies    `yaml:"as" doc:"How to file: auto, or one or more of communication, note, document, mdm in order of preference. A thread goes on with the next one when an exchange has waited for its encounter for hold_for; the last waits for none." default:"auto" enum:"auto|communication|note|document|mdm"`
	Per       Grain         `yaml:"per" doc:"What one chart entry holds: an exchange, or what a thread was when it closed or fell silent. Left out: exchange." enum:"exchange|thread"`
	Idle      time.Duration `yaml:"idle" doc:"With per thread: file a thread nobody closed after this much silence." default:"1h" min:"1m" max:"720h"`
	HoldFor   time.Duration `yaml:"hold_for" doc:"How long an exchange waits for its patient or encounter before a person is asked; for attachments see media.within." default:"72h" min:"1m" max:"8760h"`
	Encounter Encounter     `yaml:"encounter" doc:"Which encounter an entry belongs to."`
	NoteType  Coding        `yaml:"note_type" doc:"Type of notes and documents."`
	DocStatus DocStatus     `yaml:"doc_status" doc:"docStatus of notes and documents: who signs, see the EHR's page." default:"final" enum:"final|preliminary"`
	Proxies   Proxies       `yaml:"proxies" doc:"A proxy the EHR does not know: create a RelatedPerson, or only name them." default:"create" enum:"create|logical"`
	Internal  Internal      `yaml:"internal" doc:"Internal notes: auto files them where the chart can restrict them, never files none." default:"auto" enum:"auto|never"`
}

// EncounterPolicy says which encounter an entry is filed under.
type EncounterPolicy string

// The encounter policies.
const (
	EncounterWhenKnown EncounterPolicy = "when-known" // the visit the platform names
	EncounterThread    EncounterPolicy = "thread"     // one per thread, the first one found
	EncounterOpen      EncounterPolicy = "open"       // the patient's open one, if there is exactly one
	EncounterRecent    EncounterPolicy = "recent"     // the latest one
	EncounterRequired  EncounterPolicy = "required"   // hold until there is one
	EncounterNever     EncounterPolicy = "never"
)

// LooksBack says whether the policy takes an encounter that is over.
func (p EncounterPolicy) LooksBack() bool {
	return p == EncounterThread || p == EncounterRecent || p == EncounterRequired
}

// Encounter is the encounter policy.
type Encounter struct {
	Policy      EncounterPolicy `yaml:"policy" doc:"The visit the platform names comes first; then: when-known none, open the patient's only open one, recent the latest, thread the first of these for all of a thread, required any of these and hold until there is one. never: none at all." default:"when-known" enum:"when-known|thread|open|recent|required|never"`
	Days        int             `yaml:"days" doc:"How many days before an exchange a recent encounter may have begun: for recent, thread and required." default:"7" min:"1" max:"366"`
	Departments []string        `yaml:"departments" doc:"Where a recent encounter has to be, each a Location/… or Organization/… of the EHR; left out: anywhere." format:"ref:Location|Organization"`
}

// Within is how long before an exchange a recent encounter may have begun.
func (e Encounter) Within() time.Duration { return time.Duration(e.Days) * 24 * time.Hour }

// Coding is one code of one code system.
type Coding struct {
	System  string `yaml:"system" doc:"Code system, an absolute URI." default:"http://loinc.org" format:"uri"`
	Code    string `yaml:"code" doc:"Code; the default is LOINC Telephone encounter Note." default:"34748-4" format:"text"`
	Display string `yaml:"display" doc:"The code's name, exactly as its system spells it; better left out than guessed." format:"text"`
}

// Watch is how EHR-born requests are noticed.
type Watch struct {
	Poll         time.Duration `yaml:"poll" doc:"How often to ask for new CommunicationRequests." default:"30s" min:"100ms" max:"1h"`
	NotBefore    time.Duration `yaml:"not_before" doc:"A request older than this is parked for a person, not sent." default:"24h" min:"1m" max:"8760h"`
	NotifySecret Secret        `yaml:"notify_secret" doc:"What the EHR's rest-hook Subscription sends in its header; made by Chartwire where it is left out."`
}

// Limits is how hard an EHR may be pressed.
type Limits struct {
	RequestsPerSecond float64       `yaml:"requests_per_second" doc:"Requests a second, over all workers." default:"50" min:"0.01" max:"10000"`
	Concurrent        int           `yaml:"concurrent" doc:"Requests in flight at once." default:"8" min:"1" max:"1000"`
	SearchLag         time.Duration `yaml:"search_lag" doc:"How long after a write the EHR's search may still miss it." default:"60s" min:"0s" max:"1h"`
	InlineBytes       Size          `yaml:"inline_bytes" doc:"Largest attachment sent inline; a larger one goes as a Binary." default:"5MB" min:"0" max:"1GB"`
	Deadline          time.Duration `yaml:"deadline" doc:"Longest time one request may take." default:"30s" min:"1s" max:"10m"`
}

// Probe names what the preflight may write to.
type Probe struct {
	Patient string `yaml:"patient" doc:"A test patient, Patient/…: used by chartwire doctor --probe, never a real person." format:"ref:Patient"`
}

// Match is how an hl7v2 connection knows the right patient.
type Match string

// The ways of matching without a FHIR API.
const (
	MatchTrustIdentifiers Match = "trust-identifiers"
	MatchADT              Match = "adt"
)

// TLS is the client side of an mllps connection. Cert and Key come together, for mutual TLS.
type TLS struct {
	CA   File   `yaml:"ca_file" doc:"PEM file of the authorities that may sign the engine's certificate; the system's where left out." format:"pem"`
	Cert File   `yaml:"cert_file" doc:"PEM file of our certificate, for mutual TLS." format:"pem"`
	Key  Secret `yaml:"key" doc:"PEM private key of our certificate." format:"pem"`
}

// ADT is the MLLP listener for an EHR's ADT messages.
type ADT struct {
	Listen  string   `yaml:"listen" doc:"Address the EHR's interface engine sends to, host:port." required:"true" format:"listen"`
	Sending string   `yaml:"sending" doc:"Their APPLICATION^FACILITY, MSH-3 and MSH-4; messages of anybody else are rejected." required:"true" format:"appfacility"`
	TLS     *ADTTLS  `yaml:"tls" doc:"Mutual TLS. Without it the listener is plaintext: on a loopback host, or with allow, within a private network."`
	Allow   []string `yaml:"allow" doc:"Networks whose connections are taken, such as 10.20.30.0/24. Plaintext to another machine needs it, and private ones." format:"network"`
}

// ADTTLS is the server side of an MLLPS listener. All three are needed: whoever may send can move patients.
type ADTTLS struct {
	Cert File   `yaml:"cert_file" doc:"PEM file of our certificate." required:"true" format:"pem"`
	Key  Secret `yaml:"key" doc:"PEM private key of our certificate." required:"true" format:"pem"`
	CA   File   `yaml:"ca_file" doc:"PEM file of the authorities that may sign the sender's certificate." required:"true" format:"pem"`
}

// Ack is the HL7 v2 acknowledgment mode.
type Ack string

// The acknowledgment modes of HL7 v2.5.1 §2.9.
const (
	AckOriginal Ack = "original"
	AckEnhanced Ack = "enhanced"
)

// Resend says what happens to a message whose acknowledgment never came.
type Resend string

// ResendSameID sends it again with the same MSH-10; ResendPark asks a person.
const (
	ResendSameID Resend = "same-id"
	ResendPark   Resend = "park"
)

// Retraction says how a retracted message leaves the chart.
type Retraction string

// RetractionReplace replaces its document, RetractionCancel cancels it.
const (
	RetractionReplace Retraction = "replace"
	RetractionCancel  Retraction = "cancel"
)

// HL7 is what the messages of an hl7v2 connection carry.
type HL7 struct {
	Sending       string               `yaml:"sending" doc:"Our APPLICATION^FACILITY, MSH-3 and MSH-4." required:"true" format:"appfacility"`
	Receiving     string               `yaml:"receiving" doc:"Their APPLICATION^FACILITY, MSH-5 and MSH-6." required:"true" format:"appfacility"`
	ProcessingID  string               `yaml:"processing_id" doc:"MSH-11: P production, T training, D debugging." default:"P" enum:"P|T|D"`
	Authorities   map[string]Authority `yaml:"authorities" doc:"PID-3: the assigning authority and type of each of the channel's identifier systems." required:"true" keyformat:"uri"`
	PatientClass  string               `yaml:"patient_class" doc:"PV1-2, table 0004." default:"O" enum:"B|C|E|I|N|O|P|R|U"`
	DocumentType  string               `yaml:"document_type" doc:"TXA-2, table 0270 or the site's own." default:"PR" format:"hl7id"`
	Completion    string               `yaml:"completion" doc:"TXA-17, table 0271: DO documented; every other says how far a signer has got and needs authenticator, AU and LA that it is signed." default:"DO" enum:"AU|DI|DO|IN|IP|LA|PA"`
	Authenticator string               `yaml:"authenticator" doc:"TXA-22: id^family^given of the person the site names as signer." format:"xcn"`
	Ack           Ack                  `yaml:"ack" doc:"Acknowledgment mode the engine uses." default:"enhanced" enum:"original|enhanced"`
	Retraction    Retraction           `yaml:"retraction" doc:"A retracted message: replace puts a document that says so in its place (T10); cancel sends T11 for each of its documents, only where the engine takes that for documents that can be seen." default:"replace" enum:"replace|cancel"`
	Resend        Resend               `yaml:"resend" doc:"An unanswered message: same-id only where the engine dedupes by MSH-10; else park." default:"park" enum:"same-id|park"`
	Echo          string               `yaml:"echo" doc:"The message chartwire doctor may send to see the engine answer: NMQ^N01, which names no patient and changes nothing at the receiver. Left out, doctor sends none." format:"echo"`
}

// Authority is the assigning authority of one identifier system in PID-3.
type Authority struct {
	Namespace string `yaml:"namespace" doc:"Namespace of the assigning authority, PID-3.4.1." required:"true" format:"hl7id"`
	Type      string `yaml:"type" doc:"Identifier type, PID-3.5, table 0203." default:"MR" format:"hl7id"`
}

// Location is the connection's time zone. It is UTC for a Timezone that does not load, which Parse refuses.
func (e *EHR) Location() *time.Location {
	loc, err := loadTimezone(e.Timezone)
	if err != nil {
		return time.UTC
	}
	return loc
}

// SpeaksFHIR reports whether the connection is a FHIR one.
func (e *EHR) SpeaksFHIR() bool { return e.Type != HL7v2 }
