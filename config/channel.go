package config

import "time"

// ChannelType is the kind of a channel; it picks the adapter.
type ChannelType string

// The channel types.
const (
	Webhook ChannelType = "webhook"
	Twilio  ChannelType = "twilio"
)

// Class says whether a channel may carry PHI out.
type Class string

// The channel classes.
const (
	Secure Class = "secure"
	Plain  Class = "plain"
)

// Receipts is the furthest delivery state a platform reports.
type Receipts string

// The receipts a platform may give, each including those before it.
const (
	ReceiptsNone      Receipts = "none"
	ReceiptsSent      Receipts = "sent"
	ReceiptsDelivered Receipts = "delivered"
	ReceiptsRead      Receipts = "read"
)

// Consent says what a missing consent record means.
type Consent string

// The consent policies.
const (
	ConsentAssumed  Consent = "assumed"
	ConsentRequired Consent = "required"
)

// UnknownFields says what happens to event fields the contract does not name.
type UnknownFields string

// The policies for unknown event fields.
const (
	UnknownKeep   UnknownFields = "keep"
	UnknownRefuse UnknownFields = "refuse"
)

// Channel is one messaging platform connection.
type Channel struct {
	Name             string        `yaml:"name" doc:"Name of the channel, in its URL, its identifiers and metrics: lower-case letters, digits, - and _. It cannot change once anything is filed." required:"true" format:"name"`
	Type             ChannelType   `yaml:"type" doc:"Kind of platform." required:"true" enum:"webhook|twilio"`
	Class            Class         `yaml:"class" doc:"secure, or plain (text messages, e-mail), which carries no PHI out." required:"true" enum:"secure|plain"`
	EHR              string        `yaml:"ehr" doc:"Name of the EHR connection its exchanges are filed in." required:"true"`
	Secret           Secret        `yaml:"secret" doc:"What the platform signs with. webhook: one whsec_… a line; two while rotating." required:"true"`
	SendURL          string        `yaml:"send_url" doc:"Where replies are posted; without it nothing can be sent. https, except on a loopback host." format:"endpoint"`
	SendIdempotent   bool          `yaml:"send_idempotent" doc:"The platform takes the same webhook-id twice as one message, so an unanswered send may be repeated."`
	Receipts         Receipts      `yaml:"receipts" doc:"The furthest delivery state the platform reports; with none a message counts as sent when it is handed over." default:"none" enum:"none|sent|delivered|read"`
	DefaultPool      string        `yaml:"default_pool" doc:"Pool of the same EHR that gets what is addressed to nobody. Required where the EHR has an inbox and pools." format:"id"`
	Consent          Consent       `yaml:"consent" doc:"assumed sends until consent is revoked; required sends only after consent is given." default:"required" enum:"assumed|required"`
	TrustIdentifiers bool          `yaml:"trust_identifiers" doc:"Bind a thread to a patient by the platform's identifier alone, without comparing names, birth date and phone."`
	OrderWindow      time.Duration `yaml:"order_window" doc:"Without sequence numbers: how long to wait for earlier messages." default:"10s" min:"0s" max:"10m"`
	GapWait          time.Duration `yaml:"gap_wait" doc:"With sequence numbers: how long to wait for a missing one." default:"60s" min:"0s" max:"1h"`
	UnknownFields    UnknownFields `yaml:"unknown_fields" doc:"Event fields the contract does not name: keep them sealed, or refuse the event." default:"keep" enum:"keep|refuse"`
	MaxEventBytes    Size          `yaml:"max_event_bytes" doc:"Largest event the channel may post; a larger one gets 413." default:"1MiB" min:"1KB" max:"1GB"`
	Media            Media         `yaml:"media" doc:"Attachments the platform gives by URL."`

	// Own is what the adapter's Section decoded from the key named like the type, or nil.
	Own any `yaml:"-"`
}

// Media is what may be fetched from the platform.
type Media struct {
	Origins  []string      `yaml:"origins" doc:"Where attachments may be fetched from, as https://host[:port] without a path. None: nowhere." format:"origin"`
	MaxBytes Size          `yaml:"max_bytes" doc:"Largest attachment." default:"25MB" min:"1KB" max:"1GB"`
	Within   time.Duration `yaml:"within" doc:"How long to try to fetch one before a person is asked." default:"72h" min:"1m" max:"8760h"`
}
