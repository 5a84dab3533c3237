package e2e

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

// fingerprint is that of a service's certificate, as openssl prints it.
func fingerprint(s *redfishtest.Server) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(s.Certificate().Raw)), " ", ":")
}
