// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/plotbar.h"

#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QMenu>
#include <QToolButton>

namespace ql::plotbar {

QHBoxLayout* row()
{
    auto* layout = new QHBoxLayout;
    layout->setContentsMargins(theme::kSpacing, 4, theme::kSpacing, 4);
    layout->setSpacing(theme::kSpacing);
    return layout;
}

QToolButton* toggle(const QString& text, const QString& tip)
{
    auto* button = new QToolButton;
    button->setText(text);
    button->setToolTip(tip);
    button->setCheckable(true);
    button->setFocusPolicy(Qt::StrongFocus);
    return button;
}

QToolButton* menu(const QString& name)
{
    auto* button = new QToolButton;
    button->setIcon(theme::icon("export"));
    button->setToolTip(name);
    button->setAccessibleName(name);
    button->setPopupMode(QToolButton::InstantPopup);
    button->setFocusPolicy(Qt::StrongFocus);
    button->setMenu(new QMenu(button));
    return button;
}

} // namespace ql::plotbar
