package redfishtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	servicePath  = "/redfish/v1/"
	systemsPath  = "/redfish/v1/Systems"
	sessionsPath = "/redfish/v1/SessionService/Sessions"
	resetPath    = "/Actions/ComputerSystem.Reset"
	infoPath     = "/ResetActionInfo"
	settingsPath = "/Settings"
)

type object = map[string]any

func link(path string) object { return object{"@odata.id": path} }

// answer is the service itself.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case path+"/" == servicePath && r.Method == http.MethodGet:
		s.root(w)
	case path == sessionsPath && r.Method == http.MethodPost && !s.options.NoSessions:
		s.open(w, body)
	case !s.admits(r):
		refuse(w, http.StatusUnauthorized, "Base.1.8.NoValidSession", "There is no valid session established with the implementation.")
	case strings.HasPrefix(path, sessionsPath+"/") && r.Method == http.MethodDelete:
		s.end(w, path)
	case path == systemsPath && r.Method == http.MethodGet:
		s.list(w)
	default:
		for _, y := range s.systems {
			if rest, ok := strings.CutPrefix(path, y.path()); ok && (rest == "" || rest[0] == '/') {
				y.answer(w, r, rest, body)
				return
			}
		}
		refuse(w, http.StatusNotFound, "Base.1.8.ResourceMissingAtURI", "The resource at the URI "+path+" was not found.")
	}
}

func (s *Server) root(w http.ResponseWriter) {
	o := object{"@odata.id": servicePath, "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot", "Id": "RootService",
		"Name": "Root Service", "RedfishVersion": "1.6.0", "Systems": link(systemsPath)}
	if !s.options.NoSessions {
		o["SessionService"] = link("/redfish/v1/SessionService")
		o["Links"] = object{"Sessions": link(sessionsPath)}
	}
	write(w, http.StatusOK, o)
}

func (s *Server) open(w http.ResponseWriter, body []byte) {
	var who struct{ UserName, Password string }
	if json.Unmarshal(body, &who) != nil {
		refuse(w, http.StatusBadRequest, "Base.1.8.MalformedJSON", "The request body was malformed.")
		return
	}
	if who.UserName != s.options.Username || who.Password != s.options.Password {
		refuse(w, http.StatusUnauthorized, "Base.1.8.ResourceAtUriUnauthorized",
			"While accessing the resource, the service received an authorization error for "+who.UserName+" with "+who.Password+".")
		return
	}
	if most := s.options.MostSessions; most > 0 && len(s.sessions) >= most {
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusServiceUnavailable, "Base.1.8.SessionLimitExceeded",
			"The session establishment failed due to the number of simultaneous sessions exceeding the limit of the implementation.")
		return
	}
	s.made++
	path, token := fmt.Sprintf("%s/%d", sessionsPath, s.made), rand.Text()
	s.sessions[token] = path
	w.Header().Set("Location", path)
	w.Header().Set("X-Auth-Token", token)
	write(w, http.StatusCreated, object{"@odata.id": path, "@odata.type": "#Session.v1_0_0.Session",
		"Id": fmt.Sprint(s.made), "Name": "User Session", "UserName": who.UserName, "Password": nil})
}

func (s *Server) admits(r *http.Request) bool {
	if s.options.Username == "" {
		return true
	}
	if user, password, ok := r.BasicAuth(); ok {
		return user == s.options.Username && password == s.options.Password
	}
	return s.sessions[r.Header.Get("X-Auth-Token")] != ""
}

func (s *Server) end(w http.ResponseWriter, path string) {
	for token, p := range s.sessions {
		if p == path {
			delete(s.sessions, token)
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	refuse(w, http.StatusNotFound, "Base.1.8.ResourceMissingAtURI", "There is no such session.")
}

func (s *Server) list(w http.ResponseWriter) {
	members := []object{}
	for _, y := range s.systems {
		members = append(members, link(y.path()))
	}
	write(w, http.StatusOK, object{"@odata.id": systemsPath, "@odata.type": "#ComputerSystemCollection.ComputerSystemCollection",
		"Name": "Systems", "Members": members, "Members@odata.count": len(members)})
}

// answer serves one system and what is below it.
func (y *System) answer(w http.ResponseWriter, r *http.Request, rest string, body []byte) {
	o := y.server.options
	switch {
	case rest == "" && r.Method == http.MethodGet:
		y.tag(w)
		write(w, http.StatusOK, y.resource())
	case rest == "" && r.Method == http.MethodPatch && o.Settings:
		refuse(w, http.StatusBadRequest, "Base.1.8.PropertyNotWritable", "The property BootSourceOverrideTarget is a read only property.")
	case rest == settingsPath && o.Settings && r.Method == http.MethodGet:
		y.tag(w)
		write(w, http.StatusOK, object{"@odata.id": y.path() + rest, "Id": "Settings", "Boot": object{}})
	case rest == "" && r.Method == http.MethodPatch, rest == settingsPath && o.Settings && r.Method == http.MethodPatch:
		if y.allows(w, r, true) {
			y.patch(w, body)
		}
	case rest == infoPath && o.ActionInfo && r.Method == http.MethodGet:
		write(w, http.StatusOK, object{"@odata.id": y.path() + rest, "@odata.type": "#ActionInfo.v1_1_2.ActionInfo",
			"Id": "ResetActionInfo", "Name": "Reset Action Info", "Parameters": []object{
				{"Name": "ResetType", "DataType": "String", "Required": true, "AllowableValues": o.Resets},
			}})
	case rest == resetPath && r.Method == http.MethodPost:
		if y.allows(w, r, o.Conditional) {
			y.reset(w, body)
		}
	default:
		refuse(w, http.StatusMethodNotAllowed, "Base.1.8.OperationNotAllowed", "The HTTP method is not allowed on this resource.")
	}
}

func (y *System) tag(w http.ResponseWriter) {
	if !y.server.options.NoETags {
		w.Header().Set("ETag", y.etag())
	}
}

// allows compares the condition of a request. A change without one is allowed
// unless it is needed.
func (y *System) allows(w http.ResponseWriter, r *http.Request, needed bool) bool {
	switch given := r.Header.Get("If-Match"); {
	case y.server.options.NoETags, given == y.etag(), given == "" && !needed:
		return true
	case given == "":
		refuse(w, http.StatusPreconditionRequired, "Base.1.8.PreconditionRequired", "A precondition header is required.")
	default:
		refuse(w, http.StatusPreconditionFailed, "Base.1.8.PreconditionFailed", "The ETag supplied did not match.")
	}
	return false
}

func (y *System) resource() object {
	o := y.server.options
	reset := object{"target": y.path() + resetPath}
	switch {
	case o.Untold:
	case o.ActionInfo:
		reset["@Redfish.ActionInfo"] = y.path() + infoPath
	default:
		reset["ResetType@Redfish.AllowableValues"] = o.Resets
	}
	resource := object{
		"@odata.id": y.path(), "@odata.type": "#ComputerSystem.v1_13_0.ComputerSystem", "Id": y.id, "Name": "System " + y.id,
		"SystemType": "Physical", "PowerState": y.state,
		"Boot": object{
			"BootSourceOverrideEnabled": y.boot.Enabled, "BootSourceOverrideTarget": y.boot.Target, "BootSourceOverrideMode": y.boot.Mode,
			"BootSourceOverrideTarget@Redfish.AllowableValues": []string{"None", "Pxe", "Hdd", "BiosSetup"},
			"BootSourceOverrideMode@Redfish.AllowableValues":   []string{"Legacy", "UEFI"},
		},
		"Actions": object{"#ComputerSystem.Reset": reset},
	}
	if y.state == "" {
		resource["PowerState"] = nil
	}
	if !o.NoETags {
		resource["@odata.etag"] = y.etag()
	}
	if o.Settings {
		resource["@Redfish.Settings"] = object{"@odata.type": "#Settings.v1_3_0.Settings", "SettingsObject": link(y.path() + settingsPath)}
	}
	return resource
}

func (y *System) patch(w http.ResponseWriter, body []byte) {
	var change struct {
		Boot struct {
			Enabled *string `json:"BootSourceOverrideEnabled"`
			Target  *string `json:"BootSourceOverrideTarget"`
			Mode    *string `json:"BootSourceOverrideMode"`
		}
	}
	if json.Unmarshal(body, &change) != nil {
		refuse(w, http.StatusBadRequest, "Base.1.8.MalformedJSON", "The request body was malformed.")
		return
	}
	for _, p := range []struct{ from, to *string }{
		{change.Boot.Enabled, &y.boot.Enabled}, {change.Boot.Target, &y.boot.Target}, {change.Boot.Mode, &y.boot.Mode},
	} {
		if p.from != nil {
			*p.to = *p.from
		}
	}
	y.version++
	w.WriteHeader(http.StatusNoContent)
}

// becomes is the state that each reset type ends in.
var becomes = map[string]string{
	"On": "On", "ForceOn": "On", "ForceOff": "Off", "GracefulShutdown": "Off",
	"GracefulRestart": "On", "ForceRestart": "On", "PowerCycle": "On",
}

func (y *System) reset(w http.ResponseWriter, body []byte) {
	var action struct{ ResetType string }
	if json.Unmarshal(body, &action) != nil || !slices.Contains(y.server.options.Resets, action.ResetType) {
		refuse(w, http.StatusBadRequest, "Base.1.8.ActionParameterNotSupported", "The parameter ResetType is not supported on the target resource.")
		return
	}
	after := becomes[action.ResetType]
	if y.server.options.Picky && (after == y.state) == (action.ResetType == "On" || action.ResetType == "ForceOn" || after == "Off") {
		refuse(w, http.StatusConflict, "IDRAC.2.4.PSU501", "Server is already powered "+strings.ToUpper(y.state)+".")
		return
	}
	y.state = after
	y.actions = append(y.actions, action.ResetType)
	y.version++
	w.WriteHeader(http.StatusNoContent)
}

func write(w http.ResponseWriter, status int, o object) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("OData-Version", "4.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(o)
}

func refuse(w http.ResponseWriter, status int, id, message string) {
	write(w, status, object{"error": object{"code": id, "message": "See @Message.ExtendedInfo for more information.",
		"@Message.ExtendedInfo": []object{{"@odata.type": "#Message.v1_1_1.Message", "MessageId": id, "Message": message, "Severity": "Critical"}}}})
}
