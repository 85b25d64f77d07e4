// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/devicechip.h"

#include "widgets/theme.h"

#include <QActionGroup>
#include <QMenu>

namespace ql {
namespace {

constexpr int kMostCharacters = 28;

} // namespace

QString shortDeviceName(QString name)
{
    if (name.startsWith(QLatin1String("pthread-")) || name.startsWith(QLatin1String("cpu-"))) {
        const auto dash = [&](qsizetype from) { return name.indexOf(QLatin1Char('-'), from); };
        for (qsizetype at = dash(0); at >= 0; at = dash(at + 1)) {
            if (at + 1 < name.size() && name[at + 1].isUpper()) {
                name = DeviceChip::tr("%1 (OpenCL)").arg(name.mid(at + 1));
                break;
            }
        }
    }
    return name.size() <= kMostCharacters ? name : name.left(kMostCharacters - 1) + QStringLiteral("…");
}

struct DeviceChip::Private {
    QMenu* menu;
};

DeviceChip::DeviceChip(QWidget* parent) : QToolButton(parent), d(std::make_unique<Private>())
{
    d->menu = new QMenu(this);
    d->menu->setToolTipsVisible(true);
    setMenu(d->menu);
    setPopupMode(InstantPopup);
    setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    setFocusPolicy(Qt::StrongFocus);
    setDevices({}, {}, {});
}

DeviceChip::~DeviceChip() = default;

void DeviceChip::setDevices(const QList<Entry>& entries, const QString& currentId, const QString& note)
{
    d->menu->clear();
    auto* group = new QActionGroup(d->menu);
    QString name = tr("No device yet"), detail = tr("Devices are being tested.");
    if (!note.isEmpty()) {
        QAction* remark = d->menu->addAction(theme::icon(QStringLiteral("warning")), note);
        remark->setEnabled(false);
        d->menu->addSeparator();
    }
    for (const Entry& entry : entries) {
        // Menus show what follows the tab in a column of its own.
        QAction* action = d->menu->addAction(entry.name + '\t' + entry.detail);
        action->setCheckable(true);
        action->setChecked(entry.id == currentId);
        action->setEnabled(entry.usable);
        action->setToolTip(entry.name + '\n' + entry.detail);
        group->addAction(action);
        connect(action, &QAction::triggered, this, [this, id = entry.id] { Q_EMIT deviceChosen(id); });
        if (entry.id == currentId) {
            name = entry.name;
            detail = entry.detail;
        }
    }
    setIcon(theme::icon(note.isEmpty() ? QStringLiteral("device") : QStringLiteral("warning")));
    setText(shortDeviceName(name));
    setToolTip(name + '\n' + detail + (note.isEmpty() ? QString() : '\n' + note) + '\n' + tr("Click to change."));
    setAccessibleName(tr("Device: %1").arg(name));
    setAccessibleDescription(note.isEmpty() ? detail : note);
}

} // namespace ql
