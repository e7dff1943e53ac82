// Package config is Chartwire's configuration: the typed tree, its strict loader, its JSON Schema and its reference table.
//
// Everything is derived from the struct tags of the types in this package, so that the loader, the schema, the
// table in the documentation and `chartwire config print` cannot disagree:
//
//	yaml      the key
//	doc       one sentence for an administrator; every key has one
//	default   the value used when the key is absent, written as it would be in the file
//	required  "true": the key must be present
//	enum      the allowed words, separated by |
//	format    a named check of the text (formats.go)
//	min, max  bounds of a number, duration or size, written as in the file
//
// Load and Parse report all problems at once, each with its file, line and path. Rules that concern more than one
// key are in rules_*.go.
package config

import (
	"path/filepath"
	"time"
)

// Config is one whole configuration file. Build it with Load or Parse; a Config made by hand lacks defaults
// (see Defaults) and has been checked by nobody.
type Config struct {
	Server    Server     `yaml:"server" doc:"Where Chartwire listens and how others reach it." required:"true"`
	Identity  Identity   `yaml:"identity" doc:"The root of the identifiers Chartwire gives to what it files." required:"true"`
	Store     Store      `yaml:"store" doc:"Where accepted exchanges, filing state and the audit log are kept."`
	Seal      Seal       `yaml:"seal" doc:"The keys everything a platform sends is sealed with." required:"true"`
	EHRs      []EHR      `yaml:"ehrs" doc:"The EHR connections; each is a tenant of its own." required:"true"`
	Channels  []Channel  `yaml:"channels" doc:"The messaging platforms."`
	Pools     []Pool     `yaml:"pools" doc:"Groups of staff who share an inbox."`
	People    []Person   `yaml:"people" doc:"Staff the platforms name by their own id, and who they are in the EHR."`
	Templates []Template `yaml:"templates" doc:"Words the inbox offers for replies, with the patient's facts filled in."`
	Parked    Parked     `yaml:"parked" doc:"How soon somebody has to have dealt with what needs a person."`
	API       API        `yaml:"api" doc:"Who may call the JSON API."`
	Alerts    Alerts     `yaml:"alerts" doc:"Who is told when something stands still or needs a person; metrics and log say it in any case."`

	// File is the name the configuration was read from, Dir the folder relative paths in it are relative to.
	File string `yaml:"-"`
	Dir  string `yaml:"-"`
}

// Server says where the HTTP listeners are.
type Server struct {
	PublicURL     string `yaml:"public_url" doc:"Address EHRs and platforms reach Chartwire at, without a trailing slash. https, except on a loopback host." required:"true" format:"url"`
	Listen        string `yaml:"listen" doc:"host:port of the public listener; TLS ends in front of it." default:"127.0.0.1:8080" format:"listen"`
	ConsoleListen string `yaml:"console_listen" doc:"host:port of console, metrics and health. Never public: a loopback or private address." default:"127.0.0.1:8081" format:"listen"`
}

// Identity is the root of the identifiers of DESIGN §5; it is written once to the store and cannot change after the
// first exchange is filed.
type Identity struct {
	Base string `yaml:"base" doc:"Absolute URI our identifier systems start with, without a trailing slash. It cannot change once anything is filed." required:"true" format:"identity"`
}

// Store says where state is kept.
type Store struct {
	URL             string        `yaml:"url" doc:"sqlite:PATH, relative to this file's folder, or postgres://user@host:5432/database (password apart)." default:"sqlite:chartwire.db" format:"store"`
	Password        Secret        `yaml:"password" doc:"Password of the Postgres user, where it has one."`
	MigrateURL      string        `yaml:"migrate_url" doc:"The same Postgres database as another role: the one that owns the schema and migrates it. The role of url then may not change or delete audit rows." format:"store"`
	MigratePassword Secret        `yaml:"migrate_password" doc:"Password of that role, where it has one."`
	Lease           time.Duration `yaml:"lease" doc:"How long a worker owns a lane before another may take it over." default:"30s" min:"2s" max:"10m"`
	Witness         string        `yaml:"witness" doc:"File that remembers how far this database has got, so that a restored backup is noticed; each process has its own, and no backup may hold it. Beside the SQLite file, or beside this file, when not given." format:"text"`
}

// Seal names the Tink keyset of connector/seal.
type Seal struct {
	Keyset Secret `yaml:"keyset" doc:"The keyset made by: chartwire keys init." required:"true"`
}

// Pool is a group of staff who share an inbox. Its ID is what the platform calls it; unique within one EHR.
type Pool struct {
	ID        string        `yaml:"id" doc:"The pool's id on the messaging platforms." required:"true" format:"id"`
	EHR       string        `yaml:"ehr" doc:"Name of its EHR connection." required:"true"`
	Name      string        `yaml:"name" doc:"Name people read; the id where it is not given." format:"text"`
	Reference string        `yaml:"reference" doc:"What the pool is in the EHR, as Type/id: a HealthcareService, CareTeam, Organization or Group." required:"true" format:"ref:HealthcareService|CareTeam|Organization|Group"`
	Members   []string      `yaml:"members" doc:"Who is in it, each as Type/id: a Practitioner or PractitionerRole." format:"ref:Practitioner|PractitionerRole"`
	SLA       time.Duration `yaml:"sla" doc:"Time in which the pool means to answer." default:"4h" min:"1m" max:"720h"`
}

// Person maps a platform's participant id to a staff member of one EHR. Its ID is unique within that EHR.
type Person struct {
	ID        string `yaml:"id" doc:"The person's id on the messaging platforms." required:"true" format:"id"`
	EHR       string `yaml:"ehr" doc:"Name of the EHR connection the reference belongs to." required:"true"`
	Reference string `yaml:"reference" doc:"Who that is in the EHR, as Type/id: a Practitioner or PractitionerRole." required:"true" format:"ref:Practitioner|PractitionerRole"`
}

// Alerts is the webhook that people are told by.
type Alerts struct {
	URL    string `yaml:"url" doc:"Where alerts are posted, signed as Standard Webhooks has it: one when something first stands still, one when it moves again. https, except on a loopback host." format:"endpoint"`
	Secret Secret `yaml:"secret" doc:"What alerts are signed with: one whsec_…. It is needed with url."`
}

// API lists the bearer tokens of the JSON API.
type API struct {
	Tokens []Token `yaml:"tokens" doc:"Bearer tokens of programs that call the JSON API; there is no anonymous route."`
}

// Role is what a person or program may do.
type Role string

// The roles, from most to least.
const (
	RoleClinician Role = "clinician"
	RoleStaff     Role = "staff"
	RoleReadOnly  Role = "read_only"
	RoleNone      Role = "none"
)

// Token is one bearer token of the JSON API, kept as its hash.
type Token struct {
	Name   string   `yaml:"name" doc:"Name in the audit log." required:"true" format:"name"`
	SHA256 string   `yaml:"sha256" doc:"SHA-256 of the token in hex; the token itself is never written here. Make the token from at least 32 random bytes." required:"true" format:"sha256"`
	EHR    string   `yaml:"ehr" doc:"Name of the one EHR connection the token opens." required:"true"`
	Role   Role     `yaml:"role" doc:"What it may do." required:"true" enum:"clinician|staff|read_only"`
	ActAs  []string `yaml:"act_as" doc:"In whose name it may send, as Type/id." format:"ref:Practitioner|PractitionerRole|Organization|HealthcareService|RelatedPerson|Patient|Device"`
}

// Path returns p relative to the configuration file's folder; an absolute p is returned as it is.
func (c *Config) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.Dir, p)
}

// EHR returns the EHR connection of that name, or nil.
func (c *Config) EHR(name string) *EHR {
	for i := range c.EHRs {
		if c.EHRs[i].Name == name {
			return &c.EHRs[i]
		}
	}
	return nil
}

// Channel returns the channel of that name, or nil.
func (c *Config) Channel(name string) *Channel {
	for i := range c.Channels {
		if c.Channels[i].Name == name {
			return &c.Channels[i]
		}
	}
	return nil
}

// Pool returns the pool with that id on that EHR connection, or nil.
func (c *Config) Pool(ehr, id string) *Pool {
	for i := range c.Pools {
		if c.Pools[i].EHR == ehr && c.Pools[i].ID == id {
			return &c.Pools[i]
		}
	}
	return nil
}

// Person returns the person with that id on that EHR connection, or nil.
func (c *Config) Person(ehr, id string) *Person {
	for i := range c.People {
		if c.People[i].EHR == ehr && c.People[i].ID == id {
			return &c.People[i]
		}
	}
	return nil
}
