package config

import (
	"strings"
	"testing"
)

// TestFormats is the table of what each format takes and refuses; what it says is in the goldens.
func TestFormats(t *testing.T) {
	seen := map[string]bool{}
	for _, tc := range []struct {
		tag       string
		good, bad []string
	}{
		{"text", []string{"a", "Zoë Ng", "a b"}, []string{"", " ", "a ", "a\tb", "a\u0085b", strings.Repeat("ü", 256)}},
		{"id", []string{"prac-ana", "user:1/2", strings.Repeat("ü", 255)}, []string{"", "\n"}},
		{"name", []string{"a", "mercy-2_b", "0"}, []string{"", "-a", "A", "a.b", "a/b", "ü", strings.Repeat("a", 64)}},
		{"url", []string{"https://a.example", "https://a.example:8443/x/y", "http://localhost:1", "http://127.0.0.9/x", "http://[::1]:8/x", "http://a.localhost"},
			[]string{"", "a", "//a", "https:///x", "https://a/", "https://a?", "https://a#", "http://a", "http://localhost.example", "http://127.0.0.1.example", "https://a:0", "https://a:", "https://u@a", "https:a", "https://a b", "javascript:x", "http://10.0.0.1"}},
		{"endpoint", []string{"https://a/x/", "https://a/x?y=z"}, []string{"http://a/x", "https://a/#x", "https://u:p@a/"}},
		{"issuer", []string{"https://a/", "https://a"}, []string{"a"}},
		{"origin", []string{"https://a.example", "https://a.example:8443", "http://localhost:3000", "https://[2001:db8::1]:1"}, []string{"https://a/", "https://a:443", "http://localhost:80", "HTTPS://a", "https://A", "https://*.a", "http://a", "*", "'self'", "https:", "a.example"}},
		{"identity", []string{"https://a.example/sid", "https://a.example", "http://a.example/sid", "urn:example:a"}, []string{"", "/sid", "https://a/", "https://a?x", "https://a#", "https://a/#x", "urn:oid:1.2", "URN:UUID:x", "https:/a", "https://u@a", "sid"}},
		{"uri", []string{"urn:oid:1.2.3", "http://loinc.org", "https://a/b#c", "tag:a,2020:b"}, []string{"", "MRN", "http://", "urn:oid:1.2 3", "http://ü.example", "a:b|c", "://x"}},
		{"listen", []string{":8080", "127.0.0.1:0", "[::1]:80", "localhost:80", "host-1.example:65535"}, []string{"", "8080", "127.0.0.1", "a:b", "a:65536", "a:-1", "a b:80", "[::1]", "-:80"}},
		{"store", []string{"sqlite:a.db", "sqlite:/var/lib/a.db", "postgres://u@h:5432/d", "postgresql://h/d?sslmode=verify-full", "postgres:///d?host=/run/pg"},
			[]string{"", "a.db", "sqlite:", "sqlite://a", "sqlite::memory:", "sqlite:a?b", "postgres://h", "postgres://u:p@h/d", "postgres://u:@h/d", "postgres://h/d?PASSWORD=x", "postgres:d", "mysql://h/d"}},
		{"timezone", []string{"UTC", "America/Chicago", "Europe/Berlin", "Asia/Kathmandu"}, []string{"", "Local", "CST6", "Mars/Base", "../etc"}},
		{"ref:Patient|Group", []string{"Patient/a", "Group/A-1.b"}, []string{"", "Patient", "Patient/", "patient/a", "Patient/a/b", "Patient/a_b", "https://a/Patient/1", "Practitioner/a", "Patient/" + strings.Repeat("a", 65)}},
		{"sha256", []string{strings.Repeat("0f", 32)}, []string{"", strings.Repeat("0F", 32), strings.Repeat("0f", 31), strings.Repeat("0g", 32)}},
		{"scope", []string{"system/Patient.rs", "system/Observation.rs?category=a", "openid"}, []string{"", "a b", "a\"", "ü"}},
		{"phone", []string{"+15551234567", "+491701234567"}, []string{"", "5551234567", "+1 555", "+0123456789", "+1234567890123456"}},
		{"mllp", []string{"mllps://a:2575", "mllp://127.0.0.1:2575", "mllp://a:2575", "mllps://a:1/"}, []string{"", "a:2575", "mllps://a", "mllps://:1", "mllps://a:0", "mllps://a:1/x", "mllps://u@a:1", "mllps://a:1?x", "tcp://a:1"}},
		{"network", []string{"10.20.30.0/24", "192.168.1.7/32", "fd00::/8", "0.0.0.0/0"}, []string{"", "10.20.30.0", "10.20.30.1/24", "10.20.30.0/33", "engine.example/24", "fe80::1%eth0/64"}},
		{"appfacility", []string{"A^B", "MY APP^MY CLINIC"}, []string{"", "A", "^B", "A^", "A^B^C", "A|^B", "A^B~", "A^ü", "A ^B"}},
		{"hl7id", []string{"MR", "PN", "A B"}, []string{"", "A^B", "A&B", "A\\", " A", strings.Repeat("A", 21), "\x01"}},
		{"xcn", []string{"1^DOE", "1^DOE^ANA"}, []string{"", "1", "1^", "^DOE", "1^DOE|", "1^D&E"}},
		{"echo", []string{"NMQ^N01"}, []string{"", "NMQ", "nmq^n01", "NMQ^N01^NMQ_N01", "NMQ^N02", "MDM^T02", "ADT^A08", "ACK"}},
		{"language", []string{"en", "es", "pt-BR", "fil"}, []string{"", "EN", "English", "en_US", "e", "en-us"}},
		{"prose", []string{"Hello {{patient.given}}.", "one\n\ttwo", "a } b { c"}, []string{"", " ", "{{x}}", "{{patient.given", "patient.given}}", "\a", strings.Repeat("ü", 2001)}},
		{"jwk", nil, []string{"", "x", "[]", "{}", "null", `{"kid":5}`}},
		{"pem", nil, []string{"", "x", "-----BEGIN CERTIFICATE-----"}},
	} {
		name, _, _ := strings.Cut(tc.tag, ":")
		seen[name] = true
		for _, s := range tc.good {
			if bad := checkFormat(tc.tag, s); bad != "" {
				t.Errorf("%s refuses %q: %s", tc.tag, s, bad)
			}
		}
		for _, s := range tc.bad {
			bad := checkFormat(tc.tag, s)
			if bad == "" {
				t.Errorf("%s takes %q", tc.tag, s)
			} else if !strings.Contains(bad, "; ") {
				t.Errorf("%s on %q does not say what to write instead: %s", tc.tag, s, bad)
			}
		}
	}
	for name := range formats {
		if !seen[name] {
			t.Errorf("format %s is not in this table", name)
		}
	}
}
