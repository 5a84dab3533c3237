package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A route is one call of the API.
type route struct {
	method  string
	pattern string
	query   []string // the parameters that it knows
	handle  func(http.ResponseWriter, *http.Request) error
}

// routes is the whole API. What people change something by is never a POST, so that
// no browser sends it across origins without asking first. Machines that call back
// have what they have; guard.go and byGet keep browsers from that.
func (a *api) routes() []route {
	return []route{
		{"GET", "/v1/configurations", nil, a.listConfigurations},
		{"GET", "/v1/configurations/{name}", []string{"bootloader"}, a.showConfiguration},
		{"PUT", "/v1/configurations/{name}/deploy", nil, a.deploy},
		{"GET", "/v1/hosts", []string{"status"}, a.listHosts},
		{"GET", "/v1/hosts/{name}", []string{"status"}, a.showHost},
		{"GET", "/v1/hosts/{name}/explain", []string{"verify"}, a.explainHost},
		{"GET", "/v1/hosts/{name}/power", nil, a.showPower},
		{"PATCH", "/v1/hosts/{name}/on", []string{"next"}, a.drive(pilot.TurnOn)},
		{"PATCH", "/v1/hosts/{name}/off", []string{"soft"}, a.turnOff},
		{"PATCH", "/v1/hosts/{name}/reboot", []string{"next"}, a.drive(pilot.Reboot)},
		{"PATCH", "/v1/hosts/{name}/cycle", []string{"next"}, a.drive(pilot.Cycle)},
		{"GET", "/v1/hosts/{name}/history", []string{"since", "actor", "before", "limit"}, a.listHostHistory},
		{"GET", "/v1/history", []string{"host", "since", "actor", "before", "limit"}, a.listHistory},
		{"GET", "/v1/history/{id}", nil, a.showEntry},
		{"GET", "/v1/armings", nil, a.listArmings},
		{"PUT", "/v1/disarm", nil, a.disarm},
		{"GET", "/v1/self", aboutSelf, a.showSelf},
		{"POST", "/v1/self/done", aboutDone, a.done},
		{"POST", "/v1/self/failed", aboutFailed, a.failed},
		{"GET", "/v1/self/do/done", aboutDone, byGet(a.done)},
		{"GET", "/v1/self/do/failed", aboutFailed, byGet(a.failed)},
		{"PATCH", "/v1/discovery", []string{"rate"}, a.discover},
		{"PATCH", "/v1/refresh", []string{"rate"}, a.discover},
		{"GET", "/v1/discovery", nil, a.showDiscovery},
		{"GET", "/v1/bootloaders", nil, a.listBootloaders},
		{"PUT", "/v1/clear", nil, a.clear},
		{"PUT", "/v1/repair", nil, a.repair},
		{"PUT", "/v1/undo", nil, a.undo},
		{"GET", "/v1/healthcheck", nil, a.checkHealth},
		{"GET", "/v1/health", nil, a.showHealth},
		{"GET", "/v1/openapi.yaml", nil, a.showContract},
		{"GET", "/boot/{mac}", []string{"bootloader"}, a.bootHost},
		{"GET", "/tftp/{path...}", nil, a.giveFile},
	}
}

// newMux routes the table, and everything else to an answer of ours: net/http's
// own are not JSON.
func (a *api) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { w.(*recorder).err = h(w, r) })
	}
	allowed := map[string][]string{}
	for _, rt := range a.routes() {
		handle(rt.method+" "+rt.pattern, rt.checked)
		allowed[rt.pattern] = append(allowed[rt.pattern], rt.method)
	}
	var paths []string
	for pattern, methods := range allowed {
		handle(pattern, otherMethod(methods))
		if !strings.Contains(pattern, "{") {
			paths = append(paths, pattern)
		}
	}
	handle("/", unknownPath(paths))
	return mux
}

// checked refuses query parameters that the route does not know, for one that
// is misspelt would silently be without effect.
func (rt route) checked(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery == "" {
		return rt.handle(w, r)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return pxepilot.Errorf(pxepilot.Invalid, "the query is malformed; percent-encode it and separate its parameters by \"&\"").Because(err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(rt.query, name):
			return pxepilot.Errorf(pxepilot.Invalid, "unknown query parameter %s%s", pxepilot.Quote(name), hint(name, rt.query))
		case len(query[name]) > 1:
			return pxepilot.Errorf(pxepilot.Invalid, "the query parameter %s stands twice", pxepilot.Quote(name))
		}
	}
	return rt.handle(w, r)
}

// otherMethod answers the methods that a path does not take.
func otherMethod(methods []string) func(http.ResponseWriter, *http.Request) error {
	allow := append([]string{"OPTIONS"}, methods...)
	if slices.Contains(methods, "GET") {
		allow = append(allow, "HEAD") // as net/http's mux does
	}
	slices.Sort(allow)
	list := strings.Join(allow, ", ")
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", list)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return statusError{http.StatusMethodNotAllowed, pxepilot.Errorf(pxepilot.Invalid,
			"%s does not take the method %s; it takes %s", pxepilot.Quote(r.URL.EscapedPath()), pxepilot.Quote(r.Method), list)}
	}
}

// unknownPath answers paths that are none of the API's.
func unknownPath(known []string) func(http.ResponseWriter, *http.Request) error {
	slices.Sort(known)
	return func(_ http.ResponseWriter, r *http.Request) error {
		p := r.URL.EscapedPath()
		return pxepilot.Errorf(pxepilot.NotFound, "there is no %s%s; /v1/openapi.yaml tells the paths",
			pxepilot.Quote(p), strings.TrimSuffix(pxepilot.DidYouMean(p, known), "?"))
	}
}

// isClean says whether a path is in the form that net/http's mux would redirect
// it to. A redirect would be an answer without JSON, and some clients follow it
// with another method.
func isClean(escaped string) bool {
	clean := path.Clean(escaped)
	return strings.HasPrefix(escaped, "/") && (escaped == clean || escaped == clean+"/")
}

// hint names the candidate that was meant, or else all of them.
func hint(name string, candidates []string) string {
	if near := pxepilot.DidYouMean(name, candidates); near != "" {
		return near
	}
	if len(candidates) == 0 {
		return "; none is known here"
	}
	return "; known here: " + strings.Join(candidates, ", ")
}
