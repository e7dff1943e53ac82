package client

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// Location is where a server says it put a resource.
type Location struct {
	Type, ID string
	Version  string // "" where not given
}

// Reference is "Type/id".
func (l Location) Reference() string { return l.Type + "/" + l.ID }

var (
	typePattern = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`)
)

// ParseLocation reads "…/Type/id" or "…/Type/id/_history/version" by its last segments. The host
// and the path before them are ignored, so a Location elsewhere is never followed or believed.
func ParseLocation(s string) (Location, bool) {
	u, err := url.Parse(s)
	if err != nil {
		return Location{}, false
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	var l Location
	if n := len(parts); n >= 4 && parts[n-2] == "_history" {
		l.Version = parts[n-1]
		parts = parts[:n-2]
	}
	if len(parts) < 2 {
		return Location{}, false
	}
	l.Type, l.ID = parts[len(parts)-2], parts[len(parts)-1]
	if !typePattern.MatchString(l.Type) || !idPattern.MatchString(l.ID) || (l.Version != "" && !idPattern.MatchString(l.Version)) {
		return Location{}, false
	}
	return l, true
}

// Located is where the answer says the resource is: its body's type, id and version, else
// Location, else Content-Location; a missing version is taken from the ETag.
func (r Response) Located() (Location, bool) {
	var body struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
		Meta         struct {
			VersionID string `json:"versionId"`
		} `json:"meta"`
	}
	l, ok := Location{}, false
	if json.Unmarshal(r.Body, &body) == nil && idPattern.MatchString(body.ID) && body.ResourceType != "OperationOutcome" {
		l, ok = Location{body.ResourceType, body.ID, body.Meta.VersionID}, true
	}
	for _, name := range []string{"Location", "Content-Location"} {
		if !ok {
			l, ok = ParseLocation(r.Header.Get(name))
		}
	}
	if ok && l.Version == "" {
		l.Version = Version(r.Header.Get("ETag"))
	}
	return l, ok
}

// Version reads the version id out of an ETag such as W/"3", "" where there is none.
func Version(etag string) string {
	v := strings.Trim(strings.TrimPrefix(strings.TrimSpace(etag), "W/"), `"`)
	if !idPattern.MatchString(v) {
		return ""
	}
	return v
}

// ETag is the If-Match value for a version id, "" for "".
func ETag(version string) string {
	if version == "" {
		return ""
	}
	return `W/"` + version + `"`
}
