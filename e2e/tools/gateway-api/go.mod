// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

// Only its CRDs are read. v1.7.0 asks for Go 1.27, so this is the newest that Go 1.26 downloads.
module rathaus.dev/e2e/tools/gateway-api

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
