// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How long a test waits for what must come: so long that a slow machine or a sanitizer never decides its verdict.
#pragma once

#include <QSignalSpy>
#include <QTest>

namespace ql::test {
inline constexpr int kPatienceMs = 120000;
}

#define QL_TRY_VERIFY(condition) QTRY_VERIFY_WITH_TIMEOUT(condition, ::ql::test::kPatienceMs)
#define QL_TRY_COMPARE(actual, expected) QTRY_COMPARE_WITH_TIMEOUT(actual, expected, ::ql::test::kPatienceMs)
