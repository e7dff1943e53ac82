package validate

import (
	"strings"

	"github.com/chartwire/chartwire/fhir/r4"
)

// checkTransaction checks a transaction Bundle (bdl-3, bdl-7, bdl-8 and what a server needs of
// each request) and each entry by its own rules.
func checkTransaction(root *node, bare bool) *Problem {
	r := rules{resource: "Bundle", fullURLs: map[string]bool{}}
	if root.get("type").text() != "transaction" {
		return r.problem("Bundle.type", "only transaction bundles are sent")
	}
	entries := root.get("entry").list()
	for i, e := range entries {
		at := index("Bundle.entry", i) + ".fullUrl"
		full := e.get("fullUrl").text()
		switch {
		case full == "":
			continue
		case strings.Contains(full, "/_history/"):
			return r.problem(at, "must not name a version (bdl-8)")
		case r.fullURLs[full]:
			return r.problem(at, "is there twice (bdl-7)")
		case !strings.HasPrefix(full, "urn:uuid:") && !isAbsolute(full):
			return r.problem(at, "neither a urn:uuid nor an absolute URL")
		}
		r.fullURLs[full] = true
	}
	for i, e := range entries {
		at := index("Bundle.entry", i)
		if problem := r.request(at, e); problem != nil {
			return problem
		}
		resource := e.get("resource")
		if resource == nil {
			continue
		}
		inner := rules{resource: resource.resourceType(), bare: bare, fullURLs: r.fullURLs}
		if problem := checkEntry(inner, at+".resource", resource); problem != nil {
			return problem
		}
	}
	return nil
}

// request checks bdl-3 and that the request fits its resource.
func (r rules) request(at string, e *node) *Problem {
	request := e.get("request")
	if request == nil {
		return r.problem(at+".request", "required in every entry of a transaction (bdl-3)")
	}
	resource := e.get("resource")
	target := request.get("url").text()
	switch method := request.get("method").text(); method {
	case "POST":
		if resource == nil || target != resource.resourceType() {
			return r.problem(at+".request.url", "a POST names the resource type of its entry")
		}
	case "PUT":
		kind, id, _ := strings.Cut(r4.LocalID(target), "/")
		if resource == nil || kind != resource.resourceType() || id != resource.get("id").text() {
			return r.problem(at+".request.url", "a PUT names the type and id of its entry's resource")
		}
	}
	if strings.ContainsAny(request.get("ifNoneExist").text(), "? \t\n") {
		return r.problem(at+".request.ifNoneExist", "only the query, without a question mark or white space")
	}
	return nil
}
