package r4

import (
	"encoding/json"
	"strconv"
)

// BundleEntry is one entry of a Bundle from a server.
type BundleEntry struct {
	FullURL      string
	Resource     json.RawMessage // the server's bytes, nil where the entry has none
	ResourceType string
	ID           string
	SearchMode   string // match, include, outcome, or ""
	Method, URL  string // request of a history or transaction entry
	IfNoneExist  string // request.ifNoneExist
	IfMatch      string // request.ifMatch

	// Status is the HTTP status of a transaction- or batch-response entry, 0 where absent.
	Status       int
	Location     string
	ETag         string
	LastModified string
	Outcome      json.RawMessage // response.outcome
}

// BundleView is a Bundle from a server.
type BundleView struct {
	Type    string // searchset, transaction-response, history, …
	Total   int    // -1 where the server gave none
	Next    string // url of the link with relation next, "" on the last page
	Entries []BundleEntry
}

// Matches are the entries of a searchset that answer the search: not includes, not outcomes.
func (b BundleView) Matches() []BundleEntry {
	var out []BundleEntry
	for _, e := range b.Entries {
		if e.Resource != nil && (e.SearchMode == "match" || e.SearchMode == "") && e.ResourceType != "OperationOutcome" {
			out = append(out, e)
		}
	}
	return out
}

type bundleJSON struct {
	Type  string `json:"type"`
	Total *int   `json:"total"`
	Link  []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
	Entry []struct {
		FullURL  string          `json:"fullUrl"`
		Resource json.RawMessage `json:"resource"`
		Search   struct {
			Mode string `json:"mode"`
		} `json:"search"`
		Request struct {
			Method      string `json:"method"`
			URL         string `json:"url"`
			IfNoneExist string `json:"ifNoneExist"`
			IfMatch     string `json:"ifMatch"`
		} `json:"request"`
		Response struct {
			Status       string          `json:"status"`
			Location     string          `json:"location"`
			ETag         string          `json:"etag"`
			LastModified string          `json:"lastModified"`
			Outcome      json.RawMessage `json:"outcome"`
		} `json:"response"`
	} `json:"entry"`
}

// ReadBundle reads a Bundle leniently; entries keep their bytes. Errors as [ReadPatient].
func ReadBundle(raw []byte) (BundleView, error) {
	var j bundleJSON
	if err := readAs("Bundle", raw, &j); err != nil {
		return BundleView{}, err
	}
	b := BundleView{Type: j.Type, Total: -1}
	if j.Total != nil {
		b.Total = *j.Total
	}
	for _, l := range j.Link {
		if l.Relation == "next" {
			b.Next = l.URL
		}
	}
	for _, e := range j.Entry {
		entry := BundleEntry{
			FullURL: e.FullURL, SearchMode: e.Search.Mode,
			Method: e.Request.Method, URL: e.Request.URL, IfNoneExist: e.Request.IfNoneExist, IfMatch: e.Request.IfMatch,
			Status: statusCode(e.Response.Status), Location: e.Response.Location, ETag: e.Response.ETag,
			LastModified: e.Response.LastModified, Outcome: present(e.Response.Outcome),
		}
		if entry.Resource = present(e.Resource); entry.Resource != nil {
			var head struct {
				ResourceType string `json:"resourceType"`
				ID           string `json:"id"`
			}
			if json.Unmarshal(entry.Resource, &head) != nil {
				return BundleView{}, &Problem{"Bundle.entry.resource", "is not a resource"}
			}
			entry.ResourceType, entry.ID = head.ResourceType, head.ID
		}
		b.Entries = append(b.Entries, entry)
	}
	return b, nil
}

func present(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}

// statusCode reads "201", "201 Created" and the like.
func statusCode(s string) int {
	if len(s) < 3 || (len(s) > 3 && s[3] != ' ') {
		return 0
	}
	n, err := strconv.Atoi(s[:3])
	if err != nil || n < 100 {
		return 0
	}
	return n
}
