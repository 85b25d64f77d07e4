// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The small parts around the pages: inline message bar, job bar, device chip.
#pragma once

#include "widgets/panels/devicechip.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/panels/jobbar.h"
