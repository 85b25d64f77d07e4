// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The pieces of the bars above plots, the same on every page.
#pragma once

#include <QString>

class QHBoxLayout;
class QToolButton;

namespace ql::plotbar {

QHBoxLayout* row();
QToolButton* toggle(const QString& text, const QString& tip);
QToolButton* menu(const QString& name); ///< an icon whose empty menu waits for the actions of a plot

} // namespace ql::plotbar
