package httpapi

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// The routes and the contract tell the same calls, with the same parameters.
func TestRoutesAreTheContract(t *testing.T) {
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			var query []string
			for _, p := range op.Parameters {
				if p.Value.In == "query" {
					query = append(query, p.Value.Name)
				}
			}
			want[method+" "+path] = query
		}
	}
	got := map[string][]string{}
	for _, rt := range (&api{}).routes() {
		got[rt.method+" "+strings.ReplaceAll(rt.pattern, "...}", "}")] = rt.query
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("openapi.yaml (-) and routes.go (+) differ:\n%s", diff)
	}
}

// The fields that are read, those of the Go types, and those of the contract
// are the same.
func TestFieldsAreTheContract(t *testing.T) {
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	schema := func(path ...string) *openapi3.Schema {
		s := doc.Components.Schemas[path[0]].Value
		for _, p := range path[1:] {
			if s = s.Properties[p].Value; s.Items != nil {
				s = s.Items.Value
			}
		}
		return s
	}
	change := slices.Concat(deployFields.change, clearFields.change, repairFields.change)
	slices.Sort(change)
	for _, tt := range []struct {
		name   string
		schema *openapi3.Schema
		fields []string
	}{
		{"body of deploy", schema("Deploy"), deployFields.change},
		{"body of clear", schema("Clear"), clearFields.change},
		{"body of repair", schema("Repair"), repairFields.change},
		{"host of a deploy", schema("DeployRef"), deployFields.host},
		{"host of a clear", schema("HostRef"), clearFields.host},
		{"host of a repair", schema("HostRef"), repairFields.host},
		{"body of undo", schema("Undo"), undoFields},
		{"apiv1.Undo", schema("Undo"), fieldsOf(apiv1.Undo{})},
		{"apiv1.History", schema("History"), fieldsOf(apiv1.History{})},
		{"apiv1.Entry", schema("Entry"), fieldsOf(apiv1.Entry{})},
		{"apiv1.Switch", schema("Switch"), fieldsOf(apiv1.Switch{})},
		{"apiv1.OneShot", schema("OneShot"), fieldsOf(apiv1.OneShot{})},
		{"apiv1.Arming", schema("Arming"), fieldsOf(apiv1.Arming{})},
		{"apiv1.Failure", schema("Arming", "failure"), fieldsOf(apiv1.Failure{})},
		{"apiv1.Armings", schema("Armings"), fieldsOf(apiv1.Armings{})},
		{"body of disarm", schema("Disarm"), disarmFields.change},
		{"host of a disarm", schema("HostRef"), disarmFields.host},
		{"apiv1.Disarm", schema("Disarm"), fieldsOf(apiv1.Disarm{})},
		{"apiv1.Self", schema("Self"), fieldsOf(apiv1.Self{})},
		{"apiv1.Boot", schema("Boot"), fieldsOf(apiv1.Boot{})},
		{"apiv1.Error", schema("Error"), fieldsOf(apiv1.Error{})},
		{"apiv1.Configurations", schema("Configurations"), fieldsOf(apiv1.Configurations{})},
		{"apiv1.Configuration", schema("Configurations", "configurations"), fieldsOf(apiv1.Configuration{})},
		{"apiv1.ConfigurationContent", schema("ConfigurationContent"), fieldsOf(apiv1.ConfigurationContent{})},
		{"apiv1.Variant", schema("ConfigurationContent", "variants"), fieldsOf(apiv1.Variant{})},
		{"apiv1.Bootloaders", schema("Bootloaders"), fieldsOf(apiv1.Bootloaders{})},
		{"apiv1.Bootloader", schema("Bootloaders", "bootloaders"), fieldsOf(apiv1.Bootloader{})},
		{"apiv1.Host", schema("Host"), fieldsOf(apiv1.Host{})},
		{"apiv1.ConfigurationRef", schema("Host", "configuration"), fieldsOf(apiv1.ConfigurationRef{})},
		{"apiv1.IPMI", schema("Host", "ipmi"), fieldsOf(apiv1.IPMI{})},
		{"apiv1.Link", schema("Link"), fieldsOf(apiv1.Link{})},
		{"apiv1.HostRef", schema("DeployRef"), append(fieldsOf(apiv1.HostRef{}), "macAddress")},
		{"apiv1.Outcome", schema("Outcome"), fieldsOf(apiv1.Outcome{})},
		{"apiv1.HostOutcome", schema("Outcome", "hosts"), fieldsOf(apiv1.HostOutcome{})},
		{"apiv1.Step", schema("Step"), fieldsOf(apiv1.Step{})},
		{"apiv1.Explanation", schema("Explanation"), fieldsOf(apiv1.Explanation{})},
		{"apiv1.ConfigurationRef as deployed", schema("Explanation", "configuration"), fieldsOf(apiv1.ConfigurationRef{})},
		{"apiv1.Search", schema("Search"), fieldsOf(apiv1.Search{})},
		{"apiv1.Setup", schema("Search", "setup"), fieldsOf(apiv1.Setup{})},
		{"apiv1.Ask", schema("Ask"), fieldsOf(apiv1.Ask{})},
		{"apiv1.Verification", schema("Verification"), fieldsOf(apiv1.Verification{})},
		{"apiv1.LastFetch", schema("LastFetch"), fieldsOf(apiv1.LastFetch{})},
		{"apiv1.Power", schema("Power"), fieldsOf(apiv1.Power{})},
		{"apiv1.Discovery", schema("Discovery"), fieldsOf(apiv1.Discovery{})},
		{"apiv1.SubnetSweep", schema("SubnetSweep"), fieldsOf(apiv1.SubnetSweep{})},
		{"apiv1.FoundBMC", schema("SubnetSweep", "found"), fieldsOf(apiv1.FoundBMC{})},
		{"apiv1.MissingBMC", schema("SubnetSweep", "missing"), fieldsOf(apiv1.MissingBMC{})},
		{"apiv1.DiscoveryProgress", schema("DiscoveryProgress"), fieldsOf(apiv1.DiscoveryProgress{})},
		{"apiv1.Health", schema("Health"), fieldsOf(apiv1.Health{})},
	} {
		got, want := slices.Sorted(slices.Values(tt.fields)), slices.Sorted(maps.Keys(tt.schema.Properties))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: openapi.yaml (-) and Go (+) differ:\n%s", tt.name, diff)
		}
		if no := tt.schema.AdditionalProperties.Has; no == nil || *no {
			t.Errorf("%s: openapi.yaml allows other fields", tt.name)
		}
	}
	if diff := cmp.Diff(slices.Compact(change), slices.Sorted(slices.Values(fieldsOf(apiv1.Change{})))); diff != "" {
		t.Errorf("apiv1.Change:\n%s", diff)
	}
}

func fieldsOf(v any) []string {
	var names []string
	for i := range reflect.TypeOf(v).NumField() {
		name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func TestWordsAreTheContract(t *testing.T) {
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	schemas := doc.Components.Schemas
	sameWords(t, states, schemas["State"])
	sameWords(t, []pxepilot.AskedBy{pxepilot.ByUUID, pxepilot.ByMAC, pxepilot.ByIP, pxepilot.BySerial, pxepilot.ByName, pxepilot.ByScript, pxepilot.ByDefault},
		schemas["Ask"].Value.Properties["by"])
	sameWords(t, []pxepilot.Found{pxepilot.Absent, pxepilot.Broken, pxepilot.Unreadable, pxepilot.NotAFile, pxepilot.Empty, pxepilot.Unchrooted, pxepilot.Readable},
		schemas["Ask"].Value.Properties["found"])
	sameWords(t, []pxepilot.What{pxepilot.Deployed, pxepilot.Cleared, pxepilot.Repaired, pxepilot.Finished, pxepilot.Failed, pxepilot.TimedOut,
		pxepilot.PutBack, pxepilot.Undone, pxepilot.ByHand, pxepilot.Content, pxepilot.Suspended, pxepilot.Resumed, pxepilot.Disarmed, pxepilot.Refused},
		schemas["Entry"].Value.Properties["what"])
	sameWords(t, []string{result(pxepilot.UnderWay), result(pxepilot.Done), result(pxepilot.NotDone), result(pxepilot.Unclear)}, schemas["Result"])
}

func sameWords[T ~string](t *testing.T, ours []T, contract *openapi3.SchemaRef) {
	t.Helper()
	want := []any{}
	for _, word := range ours {
		want = append(want, string(word))
	}
	if diff := cmp.Diff(want, contract.Value.Enum); diff != "" {
		t.Error(diff)
	}
}

var states = []pxepilot.State{pxepilot.Configured, pxepilot.None, pxepilot.Partial, pxepilot.Mixed, pxepilot.Dangling,
	pxepilot.Foreign, pxepilot.Unmanaged, pxepilot.Entangled}
