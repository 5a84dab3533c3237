package redfishtest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"

	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

// A client that others wrote gets along with the service, so that it is
// Redfish, and not only what our own driver takes for it.
func TestPeer(t *testing.T) {
	for name, o := range map[string]redfishtest.Options{
		"well": {}, "action info": {ActionInfo: true}, "conditional": {Conditional: true}, "settings": {Settings: true}, "basic": {NoSessions: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.Username, o.Password = "user", "hunter2"
			s := redfishtest.New(o)
			defer s.Close()
			connect := func(password string) (*gofish.APIClient, error) {
				return gofish.ConnectContext(t.Context(), gofish.ClientConfig{Endpoint: s.URL(), Username: "user", Password: password,
					Insecure: true, BasicAuth: o.NoSessions})
			}
			if !o.NoSessions {
				if _, err := connect("hunter22"); err == nil {
					t.Error("a wrong password was accepted")
				}
			}
			c, err := connect("hunter2")
			if err != nil {
				t.Fatal(err)
			}
			systems, err := c.Service.Systems()
			if err != nil || len(systems) != 1 {
				t.Fatalf("%d systems, %v", len(systems), err)
			}
			y := systems[0]
			if y.PowerState != schemas.OffPowerState || y.ID != "1" {
				t.Errorf("system %s is %s", y.ID, y.PowerState)
			}
			types, err := y.GetSupportedResetTypes()
			var offered []string
			for _, kind := range types {
				offered = append(offered, string(kind))
			}
			if diff := cmp.Diff(redfishtest.Resets, offered); diff != "" || err != nil {
				t.Errorf("%v, reset types (-want +got)\n%s", err, diff)
			}
			if err := y.SetBoot(&schemas.Boot{BootSourceOverrideEnabled: schemas.OnceBootSourceOverrideEnabled,
				BootSourceOverrideTarget: schemas.PxeBootSource, BootSourceOverrideMode: schemas.UEFIBootSourceOverrideMode}); err != nil {
				t.Errorf("SetBoot: %v", err)
			}
			if y, err = schemas.GetComputerSystem(c, y.ODataID); err != nil {
				t.Fatal(err)
			}
			if _, err := y.Reset(schemas.OnResetType); err != nil {
				t.Errorf("Reset: %v", err)
			}
			if diff := cmp.Diff(redfishtest.Boot{Enabled: "Once", Target: "Pxe", Mode: "UEFI"}, s.System("1").Boot()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !s.System("1").IsOn() {
				t.Error("the machine is off")
			}
			c.Logout()
			if open, made := s.Sessions(); open != 0 || made == 0 && !o.NoSessions {
				t.Errorf("%d sessions are open, %d were made", open, made)
			}
		})
	}
}
