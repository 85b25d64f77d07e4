// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Theme: the one place for colours, spacing and type sizes, light and dark. Views ask it; nothing hard-codes a colour.
#pragma once

#include <QColor>
#include <QFont>
#include <QIcon>
#include <QString>

class QApplication;

namespace ql {

enum class ThemeMode { System, Light, Dark };

/// The same thing has the same colour in every view.
enum class Ink {
    Weights, Activations, Keys, Values, Grid, GridFill, Clipped, Error, Reconstructed, NormalFit, Handle, Preview, Accent,
    Axis, AxisText, PlotGrid, PlotBackground, Muted, Good, Bad, WarningBackground, ErrorBackground, InfoBackground,
};

namespace theme {

inline constexpr int kSpacing = 8;

/// Fusion style with this mode's palette and style sheet; call again to switch. System follows the desktop.
void apply(QApplication& application, ThemeMode mode);
bool isDark();
QColor color(Ink ink);
QColor categorical(int index);    ///< Okabe-Ito, readable on the present background
QColor magnitude(double share);   ///< viridis, share in 0..1
QColor diverging(double signedShare); ///< balanced around 0, in -1..1
QFont smallFont();                ///< second type size of panels
QFont numberFont();               ///< tabular figures
/// An icon of resources/icons, tinted for the present mode.
QIcon icon(const QString& name);

} // namespace theme
} // namespace ql
