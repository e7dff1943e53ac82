package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// formats are the named checks of the format tag. Each returns what is wrong and what to write instead, or "".
// None repeats the value of something that could be a secret.
var formats = map[string]func(s, arg string) string{
	"text":        checkText,
	"prose":       checkProse,
	"language":    checkLanguage,
	"name":        checkName,
	"id":          checkText,
	"url":         checkURL,
	"endpoint":    checkEndpoint,
	"issuer":      checkEndpoint,
	"origin":      checkOrigin,
	"identity":    checkIdentity,
	"uri":         checkURI,
	"listen":      checkListen,
	"network":     checkNetwork,
	"store":       checkStore,
	"timezone":    checkTimezone,
	"ref":         checkReference,
	"sha256":      checkSHA256,
	"scope":       checkScope,
	"phone":       checkPhone,
	"mllp":        checkMLLP,
	"appfacility": checkAppFacility,
	"hl7id":       checkHL7ID,
	"xcn":         checkXCN,
	"echo":        checkEcho,
	"jwk":         checkJWK,
	"pem":         checkPEM,
}

// checkFormat applies a format tag, NAME or NAME:ARG, to a text.
func checkFormat(tag, s string) string {
	if tag == "" {
		return ""
	}
	name, arg, _ := strings.Cut(tag, ":")
	check, ok := formats[name]
	if !ok {
		panic("config: no format " + name)
	}
	return check(s, arg)
}

func checkText(s, _ string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "is empty; write a text or remove the key"
	case strings.TrimSpace(s) != s:
		return "has space around it; remove it"
	case utf8.RuneCountInString(s) > 255:
		return "is longer than 255 characters; shorten it"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "holds a line break or control character; remove it"
	}
	return ""
}

var nameRegexp = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func checkName(s, _ string) string {
	if !nameRegexp.MatchString(s) {
		return quote(s) + " cannot be a name; write at most 63 lower-case letters, digits, - and _, starting with a letter or digit"
	}
	return ""
}

// parseURL reads an absolute address and refuses what none of ours may have.
func parseURL(s string) (*url.URL, string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Opaque != "" || u.Hostname() == "" || strings.ContainsFunc(s, unicode.IsSpace):
		return nil, "is not an address; write https://host/path"
	case u.User != nil:
		return nil, "holds a user or password; remove it"
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return nil, "has a # part; remove it"
	case badPort(u):
		return nil, "has no such port; write a number from 1 to 65535"
	}
	return u, ""
}

func badPort(u *url.URL) bool {
	if u.Port() == "" {
		return strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.Atoi(u.Port())
	return err != nil || n < 1 || n > 65535
}

// secureScheme asks for https, and lets http pass on a loopback host, which no one else can listen to.
func secureScheme(u *url.URL) string {
	switch {
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "is not encrypted; write https:// (http:// is for loopback hosts only)"
	default:
		return fmt.Sprintf("has the scheme %s; write https://", quote(u.Scheme))
	}
}

// isLoopback reports whether a host never leaves this machine.
func isLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func checkURL(s, _ string) string {
	u, bad := parseURL(s)
	switch {
	case bad != "":
		return bad
	case u.RawQuery != "" || u.ForceQuery:
		return "has a ? part; remove it"
	case strings.HasSuffix(s, "/"):
		return "ends in /; write it without"
	}
	return secureScheme(u)
}

func checkEndpoint(s, _ string) string {
	u, bad := parseURL(s)
	if bad != "" {
		return bad
	}
	return secureScheme(u)
}

func checkOrigin(s, _ string) string {
	u, bad := parseURL(s)
	if bad != "" {
		return bad
	}
	if bad := secureScheme(u); bad != "" {
		return bad
	}
	if strings.Contains(u.Host, "*") {
		return "has a wildcard; write each origin out, as https://host[:port]"
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	if origin := u.Scheme + "://" + host; s != origin {
		return "is not an origin; write " + quote(origin) + ", without path, capitals or the usual port"
	}
	return ""
}

func checkIdentity(s, _ string) string {
	if bad := checkURI(s, ""); bad != "" {
		return bad
	}
	u, _ := url.Parse(s)
	switch {
	case strings.HasSuffix(s, "/"):
		return "ends in /; write it without"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return "has a user, ? or # part; write only scheme, host and path"
	case strings.HasPrefix(strings.ToLower(s), "urn:oid:"), strings.HasPrefix(strings.ToLower(s), "urn:uuid:"):
		return "cannot be extended with /channel/message; write an https address you own"
	case (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() == "":
		return "names no host; write an https address you own"
	}
	return ""
}

func checkURI(s, _ string) string {
	u, err := url.Parse(s)
	if err != nil || !u.IsAbs() || u.Opaque == "" && u.Host == "" && u.Path == "" || strings.ContainsFunc(s, notInURI) {
		return "is not an absolute URI; write one such as https://clinic.example/ids or urn:oid:1.2.3"
	}
	return ""
}

func notInURI(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"{}|\^`+"`", r)
}

func checkListen(s, _ string) string {
	const hint = "; write host:port such as 127.0.0.1:8080"
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "is not a listen address" + hint
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "has no such port" + hint
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostRegexp.MatchString(host) {
		return "has no such host" + hint
	}
	return ""
}

var hostRegexp = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// checkStore never repeats the address: it may hold a password.
func checkStore(s, _ string) string {
	const hint = "; write sqlite:PATH or postgres://user@host:5432/database"
	if path, ok := strings.CutPrefix(s, "sqlite:"); ok {
		switch {
		case strings.TrimSpace(path) == "":
			return "names no file" + hint
		case strings.HasPrefix(path, "//"), strings.ContainsAny(path, "?#\x00"), path == ":memory:", strings.HasPrefix(path, "file:"):
			return "is not a plain path" + hint
		}
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" || strings.Trim(u.Path, "/") == "" {
		return "is no store" + hint
	}
	if _, given := u.User.Password(); given || hasPasswordParameter(u) {
		return "holds a password; remove it and write store.password_file, or use ~/.pgpass"
	}
	return ""
}

func hasPasswordParameter(u *url.URL) bool {
	for key := range u.Query() {
		if k := strings.ToLower(key); k == "password" || k == "sslpassword" {
			return true
		}
	}
	return false
}

func checkTimezone(s, _ string) string {
	if _, err := loadTimezone(s); err != nil {
		return quote(s) + " is no time zone; write an IANA name such as America/Chicago"
	}
	return ""
}

// fhirID is the id datatype of FHIR R4.
var fhirID = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// checkReference takes the allowed resource types as its argument.
func checkReference(s, arg string) string {
	types := strings.Split(arg, "|")
	hint := "; write " + strings.Join(types, "/… or ") + "/…"
	typ, id, ok := strings.Cut(s, "/")
	switch {
	case !ok:
		return quote(s) + " is no reference" + hint
	case !slices.Contains(types, typ):
		return quote(s) + " is of a type that cannot be used here" + hint
	case !fhirID.MatchString(id):
		return quote(s) + " has no FHIR id after the type (letters, digits, - and ., at most 64)" + hint
	}
	return ""
}

var sha256Regexp = regexp.MustCompile(`^[0-9a-f]{64}$`)

// checkSHA256 never repeats the value: somebody may have written the token itself.
func checkSHA256(s, _ string) string {
	if !sha256Regexp.MatchString(s) {
		return "is not a SHA-256 hash; write 64 lower-case hex digits, as sha256sum prints them, never the token itself"
	}
	return ""
}

func checkScope(s, _ string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return quote(s) + " is no scope; write each scope as an item of its own, such as system/Communication.cu"
	}
	return ""
}

var phoneRegexp = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// checkPhone is for the sections of text-message channels. It does not repeat the number.
func checkPhone(s, _ string) string {
	if !phoneRegexp.MatchString(s) {
		return "is no phone number; write it as +15551234567, in quotes"
	}
	return ""
}
